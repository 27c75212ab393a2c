"""Backup and restore against pg_dump, gzip and the tools that carry a dump to S3."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.harness import (
    Case,
    Contender,
    Finished,
    Growth,
    Point,
    Promise,
    Work,
    World,
    context,
    limit,
    ours,
    peer,
)
from benchmarks.harness.child import CommandFailed
from benchmarks.stream import stream, stream_growth
from services.postgres.client import Database
from services.s3.objects import Storage

_PREFIX = "backups/postgres"


def cases(world: World) -> Iterator[Case | Growth]:
    """The stream, the backup, the restore; then their growth, and the drill's."""
    database = world.sample_database(world.pick(small=20_000, medium=3_000_000, large=10_000_000))
    storage = world.bucket("backup")
    plain = _plain_bytes(world, database)
    yield stream(world, database, plain)
    yield stream_growth(world)
    yield _backup(world, database, storage, plain)
    yield from _restore(world, database, storage, plain)
    world.clear(storage)
    yield _growth(world, storage)
    world.clear(storage)
    yield from _growth_of_proofs(world)


def _plain_bytes(world: World, database: Database) -> int:
    told = subprocess.check_output("pg_dump | wc -c", shell=True, env=world.environment(database))  # noqa: S602
    return int(told)


def _backup(world: World, database: Database, storage: Storage, plain: int) -> Case:
    env, to = world.environment(database), f"s3://{storage.bucket}/peers"
    there = partial(_expect_object, storage)
    begin = partial(world.clear, storage)
    return Case(
        name="backup",
        title="A backup into S3",
        work=Work(plain, "bytes"),
        contenders=(
            limit("pg_dump >/dev/null", "pg_dump >/dev/null", env=env),
            ours(
                "shoreline backup",
                world.shoreline("backup"),
                env=world.settings(database, storage),
                prepare=begin,
                check=lambda _: there(f"{_PREFIX}/", "sql.gz"),
            ),
            peer(
                "pg_dump | gzip | aws s3 cp",
                f"pg_dump | gzip | aws s3 cp - {to}/a.sql.gz",
                env=env,
                needs=("awscli",),
                prepare=begin,
                check=lambda _: there("peers/", "a.sql.gz"),
            ),
            peer(
                "pg_dump -Fc | aws s3 cp",
                f"pg_dump -Fc | aws s3 cp - {to}/b.dump",
                env=env,
                needs=("awscli",),
                prepare=begin,
                check=lambda _: there("peers/", "b.dump"),
            ),
            peer(
                "pg_dump | pigz | rclone rcat",
                f"pg_dump | pigz | rclone rcat s3:{storage.bucket}/peers/c.sql.gz",
                env=env,
                needs=("debian",),
                prepare=begin,
                check=lambda _: there("peers/", "c.sql.gz"),
            ),
            *((_barman(env, storage),) if world.size != "small" else ()),
        ),
        promises=(
            Promise("at most 1.5 times `pg_dump >/dev/null`", against="pg_dump >/dev/null", at_most=1.5),
            Promise(
                "at least 3.5 times as fast as `pg_dump | gzip | aws s3 cp`",
                against="pg_dump | gzip | aws s3 cp",
                at_least=3.5,
            ),
            Promise("at most 200 MB of memory", of="peak_bytes", at_most=200e6, sizes=("small", "medium", "large")),
        ),
        note="Ours also fingerprints every table, confirms the checksum, writes the manifest and applies retention.",
    )


def _barman(env: Mapping[str, str], storage: Storage) -> Contender:
    """A physical backup of the whole server, all sample databases with it; its own gzip would take minutes."""
    return context(
        "barman-cloud-backup (physical, the whole server, not compressed)",
        f"barman-cloud-backup --immediate-checkpoint s3://{storage.bucket}/peers d",
        env=env,
        needs=("barman",),
        check=lambda _: _expect_object(storage, "peers/", "data.tar"),
    )


def _expect_object(storage: Storage, prefix: str, ending: str) -> None:
    if not any(item.size for item in storage.objects(prefix) if item.key.endswith(ending)):
        raise CommandFailed(f"no object {prefix}...{ending} was left")


def _restore(world: World, database: Database, storage: Storage, plain: int) -> Iterator[Case]:
    """The restore of one backup, and of dumps that were made before."""
    world.clear(storage)
    dumps = world.sample_dumps(database)
    storage.aws.s3.upload_file(str(dumps / "plain.sql.gz"), storage.bucket, "peers/plain.sql.gz")
    subprocess.run(world.shoreline("backup"), env=world.settings(database, storage), check=True, capture_output=True)
    target = world.server.sibling("restored")
    rows = _rows(database)
    into = world.environment(target, PGOPTIONS="-c synchronous_commit=off")
    empty, whole = partial(world.empty_database, target.name), partial(_expect_rows, target, rows)
    yield Case(
        name="restore",
        title="A restore from S3",
        work=Work(plain, "bytes"),
        contenders=(
            limit("psql -f", f"psql -qX -v ON_ERROR_STOP=1 -f {dumps}/plain.sql", env=into, prepare=empty, check=whole),
            ours(
                "shoreline restore",
                world.shoreline("restore", "--latest", "--into", target.name),
                env=world.settings(database, storage),
                prepare=target.drop,
                check=whole,
            ),
            peer(
                "aws s3 cp | gunzip | psql",
                f"aws s3 cp s3://{storage.bucket}/peers/plain.sql.gz - | gunzip | psql -qX -v ON_ERROR_STOP=1",
                env=into,
                needs=("awscli",),
                prepare=empty,
                check=whole,
            ),
            context(
                "pg_restore -j2 (custom format)",
                f"pg_restore -j2 -d {target.name} {dumps}/custom.dump",
                env=into,
                prepare=empty,
                check=whole,
            ),
        ),
        promises=(Promise("at most 1.1 times `psql -f` of the plain file", against="psql -f", at_most=1.1),),
        note="Ours downloads, checks SHA-256, and restores under another name, which it swaps in at the end.",
    )
    target.drop()


def _rows(database: Database) -> int:
    return int(database.scalar("SELECT (SELECT count(*) FROM public.orders) + (SELECT count(*) FROM public.events)"))


def _expect_rows(target: Database, rows: int, _: Finished) -> None:
    if _rows(target) != rows:
        raise CommandFailed(f"{target.name} has {_rows(target):,} rows instead of {rows:,}")


def _growth(world: World, storage: Storage) -> Growth:
    sizes = world.pick(
        small=(2_000, 20_000), medium=(30_000, 300_000, 3_000_000), large=(100_000, 1_000_000, 10_000_000)
    )
    return Growth(
        name="backup-growth",
        title="Backup, by rows in each table",
        unit="rows",
        points=tuple(
            Point(
                rows,
                ours(
                    f"{rows} rows",
                    world.shoreline("backup"),
                    env=world.settings(world.sample_database(rows), storage),
                    prepare=partial(world.clear, storage),
                ),
            )
            for rows in sizes
        ),
        memory_power=0.2,
        memory_bytes=200_000_000,
    )


def _growth_of_proofs(world: World) -> Iterator[Growth]:
    """The restore and the drill of the same backups."""
    restores, drills = [], []
    target = world.server.sibling("restored")
    sizes = world.pick(small=(2_000, 20_000), medium=(3_000, 30_000, 300_000), large=(10_000, 100_000, 1_000_000))
    for rows in sizes:
        database, storage = world.sample_database(rows), world.bucket(f"restore-{rows}")
        env = world.settings(database, storage)
        subprocess.run(world.shoreline("backup"), env=env, check=True, capture_output=True)
        command = world.shoreline("restore", "--latest", "--into", target.name)
        whole = partial(_expect_rows, target, _rows(database))
        restores.append(Point(rows, ours(f"{rows} rows", command, env=env, prepare=target.drop, check=whole)))
        drills.append(Point(rows, ours(f"{rows} rows", world.shoreline("drill"), env=env)))
    for name, points in (("restore", restores), ("drill", drills)):
        yield Growth(
            name=f"{name}-growth",
            title=f"{name.capitalize()}, by rows in each table",
            unit="rows",
            points=tuple(points),
            memory_power=0.2,
            memory_bytes=200_000_000,
        )
