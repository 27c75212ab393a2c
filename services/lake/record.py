"""The record of an export: the days of a table and their snapshot, from which the next export continues."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter

from services.bounds import Count, document
from services.files import write_private
from services.lake.manifest import TableName, Unreadable

_VERSION = 1
RECORDS = "_export"  # the folder of the records under the output folder: no table can have its name


@dataclass(frozen=True)
class DayRecord:
    """A day as it was exported: its rows, and the transaction before which all changes are in them."""

    rows: Count
    horizon: Count


@dataclass(frozen=True)
class DayState:
    """A day as it is in PostgreSQL: its rows, and the newest transaction that wrote one of them.

    `newest` is None where it is unknown, as for a view.
    """

    rows: int
    newest: int | None


@dataclass(frozen=True)
class ExportRecord:
    """The days of a table that are in the lake as PostgreSQL has them.

    `origin` names the server, the database and the table; `shape` is the digest of the columns and options. The days
    of `unwritten` were in the lake already: files of them beside the record are of an older export. `covered` are
    the first and last day that the export looked at, None where it had no such bound, and `moment` is the first
    transaction that it did not see; both are None in records of older versions.
    """

    table: str
    origin: str
    shape: str
    days: Mapping[date, DayRecord]
    unwritten: frozenset[date] = field(default=frozenset(), compare=False)
    covered: tuple[date | None, date | None] | None = field(default=None, compare=False)
    moment: int | None = field(default=None, compare=False)

    @property
    def written(self) -> Collection[date]:
        """The days whose files lie beside the record: all others there are left from older exports."""
        return self.days.keys() - self.unwritten

    def is_vanished(self, day: date) -> bool:
        """Return whether the export looked for rows of the day and found none."""
        if self.covered is None or day in self.days:
            return False
        first, last = self.covered
        return (first is None or day >= first) and (last is None or day <= last)

    def is_older_than(self, other: ExportRecord | None) -> bool:
        """Return whether `other` records a later export of the same table."""
        if other is None or other.origin != self.origin or self.moment is None or other.moment is None:
            return False
        return self.moment < other.moment

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        days = {day.isoformat(): [found.rows, found.horizon] for day, found in sorted(self.days.items())}
        document = {
            "version": _VERSION,
            "table": self.table,
            "origin": self.origin,
            "shape": self.shape,
            "days": days,
            "unwritten": [day.isoformat() for day in sorted(self.unwritten)],
            "covered": self.covered and [day and day.isoformat() for day in self.covered],
            "moment": self.moment,
        }
        return json.dumps(document, indent=1).encode()

    def differences(self, rows: Mapping[date, int]) -> list[str]:
        """Describe each day that does not have as many rows as PostgreSQL counted."""
        return [
            f"{day}: PostgreSQL counted {recorded.rows:,} rows, the lake has {rows.get(day, 0):,}"
            for day, recorded in sorted(self.days.items())
            if rows.get(day, 0) != recorded.rows
        ]

    def only(self, days: Collection[date]) -> ExportRecord:
        """Return the record limited to some days."""
        return replace(self, days={day: found for day, found in self.days.items() if day in days})

    @classmethod
    def from_json(cls, text: bytes, where: str) -> ExportRecord:
        """Return the record that was stored. Raises LakeError, which names `where`, for an unreadable one."""
        try:
            stored: _Stored = document(text, _VERSION, _STORED)
        except ValueError as error:
            raise Unreadable(
                f"{where} is not a readable record of an export: {error}.",
                next_step="Run `shoreline export --full`, which writes a new one.",
            ) from error
        days = {day: DayRecord(*found) for day, found in stored.days.items()}
        return cls(
            stored.table,
            stored.origin,
            stored.shape,
            days,
            frozenset(stored.unwritten),
            stored.covered,
            stored.moment,
        )


@dataclass(frozen=True)
class _Stored:
    """A record as it is stored."""

    version: int
    table: TableName
    origin: str
    shape: str
    days: Mapping[date, tuple[Count, Count]]
    unwritten: tuple[date, ...] = ()
    covered: tuple[date | None, date | None] | None = None
    moment: Count | None = None


_STORED = TypeAdapter(_Stored)


def write_record(output: Path, record: ExportRecord) -> None:
    """Write the record beside the exported files, for the upload."""
    path = _path(output, record.table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_private(path, record.to_json())


def read_records(output: Path) -> dict[str, ExportRecord]:
    """Return the records of the exports into `output`, by table. Raises LakeError for an unreadable one."""
    found = (ExportRecord.from_json(path.read_bytes(), str(path)) for path in (output / RECORDS).glob("*.json"))
    return {record.table: record for record in found}


def drop_record(output: Path, table: str) -> None:
    """Delete a table's record: its files no longer come from an export."""
    _path(output, table).unlink(missing_ok=True)


def _path(output: Path, table: str) -> Path:
    return output / RECORDS / f"{table}.json"


def changed_days(states: Mapping[date, DayState], before: ExportRecord | None) -> dict[date, str]:
    """Return the days to export, each with the reason.

    A day is unchanged when it has as many rows as were exported and none of them was written by a
    transaction that the export did not see: a row that was added, changed or moved into the day carries a
    newer transaction, a row that was deleted or moved away is missing in the count.
    """
    known = before.days if before else {}
    reasons: dict[date, str] = {}
    for day, state in states.items():
        if day not in known:
            reasons[day] = "new"
        elif state.rows != known[day].rows:
            reasons[day] = f"{state.rows - known[day].rows:+,} rows"
        elif state.newest is None:
            reasons[day] = "may have changed"
        elif state.newest >= known[day].horizon:
            reasons[day] = "rows changed"
    return reasons
