"""Many of everything: 10,000 backups in a bucket, 10,000 partitions in a table, a table of 1,000 columns."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.harness import Case, Contender, Finished, Growth, Point, Promise, Work, World, ours
from benchmarks.harness.child import CommandFailed
from benchmarks.inside.partitions import YEARS
from services.backups.manifest import BackupManifest, File
from services.backups.naming import MANIFEST, Naming
from services.lake.generate import generate
from services.lake.partitions import folder as folder_of
from services.lake.population import Population
from services.postgres.client import Database
from services.s3.objects import Storage

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def cases(world: World) -> Iterator[Case | Growth]:
    """Partitions, columns, and the listing of backups."""
    storage = world.bucket("scale")
    yield from _partitions(world)
    yield from _columns(world, storage)
    world.clear(storage)
    yield _backups(world, storage)
    world.clear(storage)


def _partitions(world: World) -> Iterator[Case | Growth]:
    """Guard and prediction of a query of one month, by the partitions of its table."""
    sizes = world.pick(small=(30, 300), medium=(100, 1_000, 10_000), large=(100, 1_000, 10_000))
    folders = {count: _partitioned(world.folder / f"partitions-{count}", count) for count in {*sizes, 1_000}}

    def planning(count: int, listing: str) -> Contender:
        command = world.script("benchmarks.inside.partitions", folders[count], listing)
        return ours(
            f"{count} partitions, {listing} listing", command, check=partial(_expect_partitions, count), inner=True
        )

    yield Case(
        name="plan",
        title="Guard and prediction over 1,000 partitions, the listing warm",
        work=Work(1_000, "partitions"),
        contenders=(planning(1_000, "warm"),),
        promises=(Promise("within 50 ms", at_most=0.05),),
    )
    for listing in ("cold", "warm"):
        yield Growth(
            name=f"partitions-{listing}",
            title=f"Guard and prediction, by partitions of the table, the listing {listing}",
            unit="partitions",
            points=tuple(Point(count, planning(count, listing)) for count in sizes),
        )
    for folder in folders.values():
        shutil.rmtree(folder)


def _partitioned(root: Path, count: int) -> Path:
    """A table of `count` days, all of them links to one small file."""
    first = date(YEARS[0], 1, 1)
    generate(root / "one", Population(100, 100, 2025), ["orders"], [first], workers=1)
    (one,) = (root / "one").rglob("*.parquet")
    for number in range(count):
        day = root / "orders" / folder_of(first + timedelta(days=number))
        day.mkdir(parents=True)
        (day / one.name).hardlink_to(one)
    return root


def _expect_partitions(count: int, finished: Finished) -> None:
    if finished.figures["partitions"] != count:
        raise CommandFailed(f"{finished.figures['partitions']} partitions were found instead of {count}")


def _columns(world: World, storage: Storage) -> Iterator[Growth]:
    """Export and backup of a table of many columns."""
    sizes, rows = world.pick(small=(10, 100), medium=(10, 100, 1_000), large=(10, 100, 1_000)), 2_000
    databases = {count: _wide(world, count, rows) for count in sizes}
    jobs = {"export": ("export", "--table", "public.wide:created_at", "--full"), "backup": ("backup",)}
    for name, job in jobs.items():
        points = []
        for count in sizes:
            env = world.settings(databases[count], storage, OUTPUT_DIR=str(world.folder / f"wide-{count}"))
            prepare = partial(world.clear, storage)
            points.append(Point(count, ours(f"{count} columns", world.shoreline(*job), env=env, prepare=prepare)))
        yield Growth(
            name=f"columns-{name}",
            title=f"shoreline {name} of {rows:,} rows, by the table's columns",
            unit="columns",
            points=tuple(points),
        )
    for database in databases.values():
        database.drop()


def _wide(world: World, columns: int, rows: int) -> Database:
    database = world.empty_database(f"wide_{columns}")
    names = [f"c{number}" for number in range(columns)]
    values = ", ".join(f"id * {number + 1} AS {name}" for number, name in enumerate(names))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE public.wide AS"
            f" SELECT timestamptz '2025-01-01' + id * interval '1 minute' AS created_at, {values}"
            f" FROM generate_series(1, {rows}) AS id"
        )
        cursor.execute("ALTER TABLE public.wide ALTER created_at SET NOT NULL, ADD PRIMARY KEY (created_at)")
    return database


def _backups(world: World, storage: Storage) -> Growth:
    """`shoreline backups`: one real backup's manifest under other times, each beside an object of one byte."""
    env = world.settings(world.sample_database(1_000), storage, BACKUP_PREFIX="one")
    subprocess.run(world.shoreline("backup"), env=env, check=True, capture_output=True)
    key = next(item.key for item in storage.objects("one/") if item.key.endswith(MANIFEST))
    written = storage.read(key)
    assert written is not None
    manifest = BackupManifest.from_json(written)
    points = []
    for count in world.pick(small=(10, 100), medium=(100, 1_000, 10_000), large=(100, 1_000, 10_000)):
        prefix = f"many/{count}"
        copies = (_backup(Naming(prefix), number, manifest) for number in range(count))
        world.put_all(storage.bucket, list(itertools.chain.from_iterable(copies)))
        listing = ours(f"{count} backups", world.shoreline("backups", "--json"), env={**env, "BACKUP_PREFIX": prefix})
        points.append(Point(count, listing))
    return Growth(
        name="backups", title="shoreline backups, by backups in the bucket", unit="backups", points=tuple(points)
    )


def _backup(naming: Naming, number: int, manifest: BackupManifest) -> Iterator[tuple[str, bytes]]:
    """The keys and bodies of one backup."""
    name = naming.name(manifest.database, _FIRST + timedelta(hours=2 * number))
    dump = name.key(".sql.gz")
    file = File(dump.rpartition("/")[2], 1, manifest.object.sha256)
    yield dump, b"-"
    yield name.key(MANIFEST), replace(manifest, object=file, taken_at=name.taken_at).to_json()
