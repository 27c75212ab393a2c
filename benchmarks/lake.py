"""The lake made: sample rows, and PostgreSQL's rows as Parquet, against what people would use instead."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.harness import Case, Contender, Finished, Growth, Point, Promise, Work, World, limit, ours, peer
from benchmarks.harness.child import CommandFailed
from services.postgres.client import Database
from services.s3.objects import Storage

_FIRST = date(2025, 1, 1)
_TWO_CORES = (
    "The server fills a core for 1.4 s to send the rows as CSV, and for 0.5 s to count them; psql takes 0.2 s, reading"
    " CSV 0.9 s, sorting, encoding and compressing 0.8 s, and the start 0.4 s: 2.3 s on two cores with no moment lost,"
    " where half of connectorx + polars is 1.7 s. The peers count nothing."
)


def cases(world: World) -> Iterator[Case | Growth]:
    """Generate and export, and the growth of both."""
    yield _generate(world)
    yield _export(world)
    yield _generate_growth(world)
    yield _export_growth(world)


def _generate(world: World) -> Case:
    rows_per_day, days = world.pick(small=(5_000, 10), medium=(100_000, 30), large=(1_000_000, 30))
    rows, output = rows_per_day * days, world.folder / "generated"
    last = _FIRST + timedelta(days=days - 1)
    options = f"--tables orders --rows-per-day {rows_per_day} --from {_FIRST} --to {last}".split()

    shared: dict[str, Any] = {
        "env": world.settings(None, None, OUTPUT_DIR=str(output)),
        "prepare": partial(shutil.rmtree, output, ignore_errors=True),
        "check": partial(_expect_rows, output, rows, 0.1),
    }
    count = (rows_per_day, days)
    return Case(
        name="generate",
        title="Sample orders as Parquet",
        work=Work(rows, "rows"),
        contenders=(
            ours("shoreline generate", world.shoreline("generate", *options), **shared),
            peer(
                "pandas, row by row",
                world.peer_script("export", "generate_pandas", output, *count),
                needs=("export",),
                **shared,
            ),
            peer(
                "DuckDB range, PARTITION_BY",
                world.peer_script("duckdb", "generate_duckdb", output, *count),
                needs=("duckdb",),
                **shared,
            ),
        ),
        promises=(
            Promise("at least 3 million rows a second", at_most=rows / 3e6),
            Promise("at least 30 times as fast as pandas row by row", against="pandas, row by row", at_least=30),
        ),
        note="DuckDB draws its rows without users of unequal activity, daily or weekly rhythm, or a fixed seed.",
    )


def _expect_rows(output: Path, rows: int, tolerance: float, _: Finished) -> None:
    found = sum(pq.read_metadata(path).num_rows for path in output.rglob("*.parquet"))
    if abs(found - rows) > rows * tolerance:
        raise CommandFailed(f"{found:,} rows were written instead of {rows:,}")


def _export(world: World) -> Case:
    rows = world.pick(small=20_000, medium=3_000_000, large=10_000_000)
    database, storage = world.sample_database(rows), world.bucket("export")
    output, env = world.folder / "exported", world.environment(database)
    columns = "order_id, user_id, amount, status, created_at"
    return Case(
        name="export",
        title="Orders from PostgreSQL into daily Parquet",
        work=Work(rows, "rows"),
        contenders=(
            limit("COPY TO STDOUT", f'psql -qXc "COPY (SELECT {columns} FROM orders) TO STDOUT" >/dev/null', env=env),
            ours(
                "shoreline export",
                world.shoreline("export", "--table", "public.orders:created_at", "--full"),
                env=world.settings(database, storage, OUTPUT_DIR=str(output)),
                prepare=partial(_fresh, world, storage, output),
                check=partial(_expect_rows, output, rows, 0),
            ),
            *(_exporter(world, database, output, rows, *given) for given in _EXPORTERS),
            peer(
                "awswrangler",
                world.peer_script("wrangler", "export_wrangler", f"s3://{storage.bucket}/wrangler/"),
                env=env,
                needs=("wrangler",),
                prepare=partial(_fresh, world, storage, output),
            ),
        ),
        promises=(
            Promise("at most 2.5 times the bare COPY", against="COPY TO STDOUT", at_most=2.5),
            *(
                Promise(f"at least twice as fast as {name}", against=name, at_least=2, why=_TWO_CORES)
                for name, _, _ in _EXPORTERS[:4]
            ),
        ),
        note="Ours counts the rows on both sides, sorts each day, and keeps decimals; dlt does not part by day.",
    )


_EXPORTERS = (
    ("pandas + psycopg2", "export", "export_pandas"),
    ("ADBC + pyarrow", "export", "export_adbc"),
    ("connectorx + polars", "export", "export_connectorx"),
    ("dlt", "dlt", "export_dlt"),
    ("DuckDB postgres scanner", "duckdb", "export_duckdb"),
)


def _exporter(
    world: World, database: Database, output: Path, rows: int, name: str, environment: str, script: str
) -> Contender:
    return peer(
        name,
        world.peer_script(environment, script, output),
        env=world.environment(database),
        needs=(environment,),
        prepare=partial(_remove, output),
        check=partial(_expect_rows, output, rows, 0),
    )


def _remove(output: Path) -> None:
    for path in output.parent.glob(f"{output.name}*"):
        shutil.rmtree(path)


def _fresh(world: World, storage: Storage, output: Path) -> None:
    _remove(output)
    world.clear(storage)


def _generate_growth(world: World) -> Growth:
    output, days = world.folder / "generated", 30
    last = _FIRST + timedelta(days=days - 1)
    points = []
    for rows_per_day in world.pick(small=(100, 1_000), medium=(10_000, 100_000, 1_000_000), large=(10_000, 1_000_000)):
        options = f"--tables orders --rows-per-day {rows_per_day} --from {_FIRST} --to {last}".split()
        one = ours(
            f"{rows_per_day} rows a day",
            world.shoreline("generate", *options),
            env=world.settings(None, None, OUTPUT_DIR=str(output)),
            prepare=partial(shutil.rmtree, output, ignore_errors=True),
            check=partial(_expect_rows, output, rows_per_day * days, 0.1),
        )
        points.append(Point(rows_per_day * days, one))
    return Growth(
        name="generate-growth",
        title="Generate, by rows",
        unit="rows",
        points=tuple(points),
        memory_power=0.5,
        note="Memory grows to a row group of a million rows for each worker, and stays there.",
    )


def _export_growth(world: World) -> Growth:
    storage, output = world.bucket("export-growth"), world.folder / "exported"
    points = []
    for rows in world.pick(small=(2_000, 20_000), medium=(30_000, 300_000, 3_000_000), large=(100_000, 10_000_000)):
        one = ours(
            f"{rows} rows",
            world.shoreline("export", "--table", "public.orders:created_at", "--full"),
            env=world.settings(world.sample_database(rows), storage, OUTPUT_DIR=str(output)),
            prepare=partial(_fresh, world, storage, output),
            check=partial(_expect_rows, output, rows, 0),
        )
        points.append(Point(rows, one))
    return Growth(
        name="export-growth",
        title="Export into daily Parquet, by rows",
        unit="rows",
        points=tuple(points),
        memory_power=0.5,
        note="Memory grows to a row group for each worker, and stays there.",
    )
