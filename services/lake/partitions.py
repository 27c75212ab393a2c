"""Where a row's file lies: `year=2025/month=01/day=10`, by the row's own event time in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

HIDDEN = (".", "_")
"""How the names begin that Athena and DuckDB pass over."""
_FOLDER = re.compile(r"year=(\d{4})/month=(\d{2})/day=(\d{2})")
_FILE = re.compile(r"(data|merged)(?:-(\d+))?\.parquet")


@dataclass(frozen=True)
class PartitionKey:
    """An integer partition key and the range that its partitions are declared over, both ends included.

    `digits` is the zero-padded width of its folder names: 2 for `month=01`.
    """

    name: str
    first: int
    last: int
    digits: int

    def folder(self, value: int) -> str:
        """The folder of one value, as `month=01`."""
        return f"{self.name}={value:0{self.digits}d}"


def keys(first_year: int, last_year: int) -> tuple[PartitionKey, ...]:
    """Year, month and day, the years from `first_year` to `last_year`.

    A query engine that projects partitions sees no row of a year outside of them, and says nothing.
    """
    return (
        PartitionKey("year", first_year, last_year, 4),
        PartitionKey("month", 1, 12, 2),
        PartitionKey("day", 1, 31, 2),
    )


def folder(day: date) -> str:
    """The partition's folder below its table's: `year=2025/month=01/day=10`."""
    return f"year={day.year:04d}/month={day.month:02d}/day={day.day:02d}"


def day_of(path: str) -> date | None:
    """The day that a folder of this layout holds; None for any other path."""
    found = _FOLDER.fullmatch(path)
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def day_of_file(path: str) -> date | None:
    """The day in whose folder a file lies; None for a file elsewhere."""
    return day_of(path.rpartition("/")[0])


def is_read(path: str) -> bool:
    """Whether queries read a file: it lies in a day's folder, and its name does not hide it."""
    return day_of_file(path) is not None and not path.rpartition("/")[2].startswith(HIDDEN)


OWN, MERGED = "data", "merged"
"""How names of files begin: those that Shoreline writes, and those that a compact makes of other programs' files."""


def file_name(number: int, stem: str = OWN) -> str:
    """The name of a partition's file: `data.parquet`, then `data-1.parquet` and on where it is split."""
    return f"{stem}-{number}.parquet" if number else f"{stem}.parquet"


def file_number(name: str, stem: str = OWN) -> int | None:
    """The number that `file_name` made the name of; None for any other name."""
    found = _FILE.fullmatch(name)
    return int(found[2] or 0) if found and found[1] == stem else None


def file_stem(name: str) -> str | None:
    """How a name that `file_name` made begins; None for any other name."""
    found = _FILE.fullmatch(name)
    return found[1] if found else None


def is_own(path: str) -> bool:
    """Whether Shoreline writes files of this path's name; all others are other programs'."""
    return is_data_file(path.rpartition("/")[2])


def is_data_file(name: str) -> bool:
    """Whether Shoreline writes files of this name into a partition."""
    return file_number(name) is not None
