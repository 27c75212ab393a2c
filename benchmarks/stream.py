"""The backup's stream into nothing: what stands between pg_dump and a store."""

from __future__ import annotations

from functools import partial

from benchmarks.harness import Case, Finished, Growth, Point, Promise, Work, World, limit, ours
from benchmarks.harness.child import CommandFailed
from benchmarks.inside.long_dump import stand_in
from services.postgres.client import Database

# CPU seconds: the least of several runs over 806 MB on two cores that had other work, by getrusage and /proc.
_WHY = (
    "The stream's 3.0 s of CPU (gzip 1.9, SHA-256 of the tables 0.6 and of the object 0.2, rows 0.2, the pipe 0.2) come"
    " beside the server's 4.5 and pg_dump's 0.8: two cores have room for them, and little to spare."
)


def stream(world: World, database: Database, plain: int) -> Case:
    """The stream of a database whose dump has `plain` bytes, against pg_dump alone."""
    return Case(
        name="stream",
        title="The backup's stream into nothing",
        work=Work(plain, "bytes"),
        contenders=(
            limit("pg_dump >/dev/null", "pg_dump >/dev/null", env=world.environment(database)),
            limit("pg_dump | cat >/dev/null", "pg_dump | cat >/dev/null", env=world.environment(database)),
            ours(
                "stream",
                world.script("benchmarks.inside.stream"),
                env=world.settings(database, None),
                inner=True,
            ),
        ),
        promises=(
            Promise("at most 1.15 times `pg_dump >/dev/null`", against="pg_dump >/dev/null", at_most=1.15, why=_WHY),
            Promise("at most 200 MB of memory", of="peak_bytes", at_most=200e6, sizes=("small", "medium", "large")),
        ),
        note="Ours reads, hashes every table, compresses to gzip and hashes again while pg_dump writes. Its time is"
        " from pg_dump's start to the stream's end: the start of Python is in the figures of the backup.",
        least_runs=3,
    )


def stream_growth(world: World) -> Growth:
    """The stream of dumps that are far longer than what it may hold in memory."""
    sizes = world.pick(small=(10**7, 10**8), medium=(10**8, 10**9, 10**10), large=(10**8, 10**9, 10**10))
    env = world.settings(world.sample_database(1_000), None)
    return Growth(
        name="stream-growth",
        title="The backup's stream into nothing, by bytes of the dump",
        unit="bytes",
        points=tuple(
            Point(
                size,
                ours(
                    f"{size} bytes",
                    world.script("benchmarks.inside.stream"),
                    env=env | {"PG_BIN": str(stand_in(world.folder / f"pg_dump-{size}", size))},
                    check=partial(_expect_bytes, size),
                ),
            )
            for size in sizes
        ),
        memory_power=0.2,
        memory_bytes=200_000_000,
        note="A program that writes the same rows over and over stands in for pg_dump.",
    )


def _expect_bytes(size: int, finished: Finished) -> None:
    if not 0.9 * size < finished.figures["plain_bytes"] < 1.1 * size:
        raise CommandFailed(f"{finished.figures['plain_bytes']:,.0f} bytes were read instead of {size:,}")
