"""Sample tables: days are generated in parallel, and each file is the same for any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.errors import InputError
from services.lake.files import ROWS_PER_GROUP, DayFiles, DayWriter
from services.lake.partitions import folder
from services.lake.population import DRAWN, Population
from services.lake.record import drop_record
from services.lake.tables import TABLES
from services.progress import Advance

DEFAULT_DAYS = (
    date(2025, 1, 10),
    date(2025, 1, 11),
    date(2025, 1, 12),
    date(2025, 2, 1),
    date(2025, 2, 2),
    date(2025, 3, 1),
)


@dataclass(frozen=True)
class GeneratedTable:
    """What was written for one table; `size` in bytes."""

    name: str
    days: int
    files: int
    rows: int
    size: int


@dataclass(frozen=True)
class GenerateReport:
    """What was written, and where."""

    output: Path
    tables: tuple[GeneratedTable, ...]


def known_tables(listed: str) -> tuple[str, ...]:
    """Return the tables of 'orders,events'. Raises InputError for one that cannot be generated."""
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",")))
    for name in names:
        if name not in DRAWN:
            raise InputError(f"Unknown sample table '{name}'.", next_step=f"Choose from: {', '.join(DRAWN)}.")
    return names


def check_years(tables: Sequence[str], days: Sequence[date]) -> None:
    """Raise InputError for a day of a year that a table's partitions are not declared for: no query would find it."""
    for name in tables:
        first, last = TABLES[name].years
        if outside := TABLES[name].undeclared_years(days):
            raise InputError(
                f"The lake's table {name} is declared for the years {first} to {last}, not for"
                f" {', '.join(map(str, outside))}.",
                next_step="Choose days of these years.",
            )


def generate(
    output: Path,
    population: Population,
    tables: Sequence[str],
    days: Sequence[date],
    *,
    workers: int,
    advance: Advance = lambda *_: None,
) -> GenerateReport:
    """Write each day of each table under `output`, replacing existing files of that day.

    `advance` reports rows as they are written. Memory holds a row group for each worker.
    """

    def write(table: str, day: date) -> DayFiles:
        total = population.rows(table, day)
        with DayWriter(output / table / folder(day)) as writer:
            for start in range(0, max(total, 1), ROWS_PER_GROUP):
                count = min(ROWS_PER_GROUP, total - start)
                writer.write(population.draw(table, day, start, count))
                advance(count)
            return writer.finish()

    for table in tables:
        drop_record(output, table)
    with ThreadPoolExecutor(workers) as pool:
        futures = {table: [pool.submit(write, table, day) for day in days] for table in tables}
        try:
            written = {table: [future.result() for future in started] for table, started in futures.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return GenerateReport(output, tuple(_total(table, days) for table, days in written.items()))


def _total(name: str, written: Sequence[DayFiles]) -> GeneratedTable:
    return GeneratedTable(
        name=name,
        days=len(written),
        files=sum(len(day.paths) for day in written),
        rows=sum(day.rows for day in written),
        size=sum(day.size for day in written),
    )
