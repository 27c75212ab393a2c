"""Partitions of the lake: `year=2025/month=01/day=10`, by the row's own event time in UTC."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.errors import InputError

SPAN_ROWS = 500_000
SPAN_BYTES = 96_000_000
_MAX_SCANS = 8  # of a table without an index on its time column: beyond, one sorted scan is cheaper


@dataclass(frozen=True)
class Span:
    """Neighbouring days that are read together, with the rows of each.

    PostgreSQL sorts the rows of a `sorted` span, and they are streamed. The rows of others are sorted in memory.
    """

    days: Mapping[date, int]
    sorted: bool

    @property
    def first(self) -> date:
        """The first day."""
        return min(self.days)

    @property
    def last(self) -> date:
        """The last day."""
        return max(self.days)

    @property
    def rows(self) -> int:
        """Rows of all its days."""
        return sum(self.days.values())


def cut_spans(days: Mapping[date, int], *, row_bytes: int, indexed: bool, skipped: Sequence[date] = ()) -> list[Span]:
    """Return spans of neighbouring days, each below SPAN_ROWS rows and SPAN_BYTES bytes unless it is one day alone.

    A day above that is read in order, so that memory need not hold it. `skipped` are days with rows that are
    not wanted: no span reaches over one. Without an index on the time column each span costs a scan of the
    whole table: many of them become one sorted scan.
    """
    limit = max(1, min(SPAN_ROWS, SPAN_BYTES // max(row_bytes, 1)))
    runs = _runs(days, skipped)
    groups = [group for run in runs for group in _fill(run, days, limit)]
    if not indexed and len(groups) > _MAX_SCANS:
        return [Span({day: days[day] for day in run}, sorted=True) for run in runs]
    spans = [{day: days[day] for day in group} for group in groups]
    return [Span(span, sorted=sum(span.values()) > limit) for span in spans]


def _runs(days: Mapping[date, int], skipped: Sequence[date]) -> list[list[date]]:
    """Return the days in order, divided at the skipped days."""
    barriers = set(skipped)
    runs: list[list[date]] = [[]]
    for day in sorted({*days, *barriers}):
        if day in barriers:
            runs.append([])
        else:
            runs[-1].append(day)
    return [run for run in runs if run]


def _fill(run: Sequence[date], days: Mapping[date, int], limit: int) -> list[list[date]]:
    groups: list[list[date]] = []
    rows = 0
    for day in run:
        if groups and rows + days[day] <= limit:
            groups[-1].append(day)
            rows += days[day]
        else:
            groups.append([day])
            rows = days[day]
    return groups


def parse_day(text: str) -> date:
    """Return the date of '2025-01-10'. Raises InputError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"Invalid date '{text}': expected YYYY-MM-DD.") from None


def chosen_days(
    listed: Sequence[str], first: str | None, last: str | None, default: Sequence[date]
) -> tuple[date, ...]:
    """Return the days of `--dates` (several in each, separated by commas) or of `--from` to `--to`, both included.

    Raises InputError for an invalid date, a reversed span, and a span together with a list.
    """
    if listed and (first or last):
        raise InputError("--dates cannot be combined with --from or --to.", next_step="Use one of them.")
    if listed:
        return tuple(sorted({parse_day(text) for option in listed for text in option.split(",")}))
    begin, end = span_of_days(first or last, last or first)
    if begin is None or end is None:
        return tuple(default)
    return tuple(begin + timedelta(number) for number in range((end - begin).days + 1))


def span_of_days(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Return the days of `--from` and `--to`, None for an absent one. Raises InputError."""
    begin = parse_day(first) if first else None
    end = parse_day(last) if last else None
    if begin and end and end < begin:
        raise InputError(f"--to {end} is before --from {begin}.", next_step="Swap --from and --to.")
    return begin, end


HIDDEN = (".", "_")
"""Prefixes of the names that Athena and DuckDB ignore."""
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
        """Return the folder of one value, as `month=01`."""
        return f"{self.name}={value:0{self.digits}d}"


def keys(first_year: int, last_year: int) -> tuple[PartitionKey, ...]:
    """Return the keys year, month and day, the years from `first_year` to `last_year`.

    A query engine that projects partitions silently ignores rows of other years.
    """
    return (
        PartitionKey("year", first_year, last_year, 4),
        PartitionKey("month", 1, 12, 2),
        PartitionKey("day", 1, 31, 2),
    )


def folder(day: date) -> str:
    """Return the partition's folder below its table's: `year=2025/month=01/day=10`."""
    return f"year={day.year:04d}/month={day.month:02d}/day={day.day:02d}"


def day_of(path: str) -> date | None:
    """Return the day that a folder of this layout holds; None for any other path."""
    found = _FOLDER.fullmatch(path)
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def day_of_file(path: str) -> date | None:
    """Return the day in whose folder a file lies; None for a file elsewhere."""
    return day_of(path.rpartition("/")[0])


def is_read(path: str) -> bool:
    """Return whether queries read a file: it lies in a day's folder, and its name does not hide it."""
    return day_of_file(path) is not None and not path.rpartition("/")[2].startswith(HIDDEN)


OWN, MERGED = "data", "merged"
"""Stems of file names: of files that Shoreline writes, and of other programs' files that a compact merged."""


def file_name(number: int, stem: str = OWN) -> str:
    """Return the name of a partition's file: `data.parquet`, then `data-1.parquet` and on where it is split."""
    return f"{stem}-{number}.parquet" if number else f"{stem}.parquet"


def file_number(name: str, stem: str = OWN) -> int | None:
    """Return the number in a name of `file_name`; None for any other name."""
    found = _FILE.fullmatch(name)
    return int(found[2] or 0) if found and found[1] == stem else None


def file_stem(name: str) -> str | None:
    """Return the stem of a name of `file_name`; None for any other name."""
    found = _FILE.fullmatch(name)
    return found[1] if found else None


def is_own(path: str) -> bool:
    """Return whether the file has a name of Shoreline's. Another program may have written it all the same."""
    return is_data_file(path.rpartition("/")[2])


def is_data_file(name: str) -> bool:
    """Return whether Shoreline writes files of this name into a partition."""
    return file_number(name) is not None
