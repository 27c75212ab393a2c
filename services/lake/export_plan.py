"""The plan of an export: which days of each table to write, and why. Reads PostgreSQL, changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.errors import LakeError
from services.identifiers import quote
from services.lake.declaration import ExportSource
from services.lake.layout import Layout, stored_schema
from services.lake.partitions import Span, cut_spans
from services.lake.postgres_types import ExportColumn, map_columns
from services.lake.record import DayRecord, DayState, ExportRecord, changed_days
from services.lake.source import Relation, Snapshot, day_of_row, from_where
from services.lake.tables import TABLES


@dataclass(frozen=True)
class DaySelection:
    """What to export: days from `first` to `last`, all of them if `full`, else those that changed."""

    first: date | None = None
    last: date | None = None
    full: bool = False

    @property
    def everything(self) -> bool:
        """Whether all days are exported, whatever the lake holds."""
        return self.full and self.first is None and self.last is None


@dataclass(frozen=True)
class TableExport:
    """The export of one table."""

    source: ExportSource
    relation: Relation
    columns: tuple[ExportColumn, ...]
    layout: Layout
    states: Mapping[date, DayState]  # the days in PostgreSQL
    before: ExportRecord | None  # what the lake holds
    changed: Mapping[date, str]  # the days to write, with the reason
    record: ExportRecord  # what the lake holds afterwards

    @property
    def rows(self) -> int:
        """Rows to write."""
        return sum(self.states[day].rows for day in self.changed)

    @property
    def gone(self) -> int:
        """Days of the lake that no longer have rows in PostgreSQL."""
        return len(self.before.days.keys() - self.record.days.keys()) if self.before else 0

    def spans(self) -> list[Span]:
        """Return the days to write, divided into spans that are read at once."""
        days = {day: self.states[day].rows for day in self.changed}
        counted = sum(state.rows for state in self.states.values())
        row_bytes = self.relation.size // max(self.relation.rows, counted, 1)
        others = [day for day in self.states if day not in self.changed]
        return cut_spans(days, row_bytes=row_bytes, indexed=self.relation.indexed, skipped=others)

    def query(self, span: Span, *, ordered: bool) -> str:
        """Return the SQL of the span's rows; `ordered` by day, then by the order within it."""
        chosen = ", ".join(f"{column.select} AS {quote(column.name)}" for column in self.columns)
        rows = from_where(self.source, self.relation, span.first, span.last)
        return f"SELECT {chosen} FROM {rows}{self._order() if ordered else ''}"  # noqa: S608  # names are quoted

    def _order(self) -> str:
        sources = {column.name: column.source for column in self.columns}
        keys = [f"t.{quote(sources[name])}" for name in self.layout.sort_by]
        if self.layout.sort_by[0] != self.layout.time_column:  # otherwise an index on the time gives both orders
            keys.insert(0, day_of_row(self.source))
        return f" ORDER BY {', '.join(keys)}"


def prepare(
    seen: Snapshot,
    source: ExportSource,
    output: Path,
    wanted: DaySelection,
    last_record: Callable[[str], ExportRecord | None],
) -> TableExport:
    """Plan the export of the source to `output`; `last_record` returns the record of what the lake holds of it.

    Raises LakeError for columns that cannot be stored, rows without a day, and rows that the lake's table cannot hold.
    """
    relation = seen.relation(source)
    columns = map_columns(relation.columns, source)
    _check_declared(source, columns)
    layout = Layout(output / source.name, _named(columns, source.time_column), _sort_by(source, relation, columns))
    before = None if wanted.everything else last_record(source.name)
    origin, shape = f"{seen.origin}/{relation.oid}", _shape(relation, columns, layout)
    if before is not None and (before.origin, before.shape) != (origin, shape):
        before = None  # the lake's rows are of another server or shape: rewrite all of them
    compared = before is not None and not wanted.full
    states = seen.days(source, relation, wanted.first, wanted.last, transactions=compared)
    _check_years(source, states)
    changed = changed_days(states, None if wanted.full else before)
    kept = {day: record for day, record in (before.days if before else {}).items() if not _within(day, wanted)}
    days = kept | {day: DayRecord(state.rows, seen.horizon) for day, state in states.items()}
    held = days.keys() | (before.days.keys() if before else set())
    unwritten = frozenset(held - changed.keys())
    covered = (wanted.first, wanted.last)
    record = ExportRecord(source.name, origin, shape, days, unwritten, covered, seen.moment)
    return TableExport(source, relation, columns, layout, states, before, changed, record)


def _within(day: date, wanted: DaySelection) -> bool:
    return (wanted.first is None or day >= wanted.first) and (wanted.last is None or day <= wanted.last)


def _named(columns: Sequence[ExportColumn], source_name: str) -> str:
    return next(column.name for column in columns if column.source == source_name)


def _sort_by(source: ExportSource, relation: Relation, columns: Sequence[ExportColumn]) -> tuple[str, ...]:
    """Return the order of a day's rows: as declared, else by time and then by the primary key."""
    names = {column.source: column.name for column in columns if column.converted != "array"}
    if missing := [name for name in source.sort_by if name not in names]:
        raise LakeError(
            f"Cannot sort {source.shown} by {', '.join(missing)}: not exported, or an array.",
            next_step="Correct `sort_by` in lake.toml.",
        )
    keys = source.sort_by or (source.time_column, *relation.primary_key)
    return tuple(dict.fromkeys(names[key] for key in keys if key in names))


def _shape(relation: Relation, columns: Sequence[ExportColumn], layout: Layout) -> str:
    """Return a digest of everything that changes the stored form of a row without a write to the row."""
    held = {column.name: (column.number, column.spelling) for column in relation.columns}
    described = [
        (column.name, _unqualified(column.select), str(column.stored), column.required, held[column.source])
        for column in columns
    ]
    return hashlib.sha256(repr((described, layout.time_column, layout.sort_by)).encode()).hexdigest()[:16]


def _unqualified(select: str) -> str:
    """Remove the schema of functions, as in records of versions that did not write it: they need no new export."""
    return select.replace("pg_catalog.", "")


def _check_declared(source: ExportSource, columns: Sequence[ExportColumn]) -> None:
    """Raise LakeError unless a source for a sample table has that table's columns."""
    declared = TABLES.get(source.name)
    if declared is None:
        return
    found, wanted = stored_schema(columns), declared.schema
    problems = [f"  {name}: missing in PostgreSQL" for name in wanted.names if name not in found.names]
    problems += [f"  {name}: not a column of the lake's table" for name in found.names if name not in wanted.names]
    problems += [
        f"  {name}: {found.field(name).type} in PostgreSQL, {wanted.field(name).type} in the lake"
        for name in wanted.names
        if name in found.names and found.field(name).type != wanted.field(name).type
    ]
    if problems:
        raise LakeError(
            "\n".join([f"{source.shown} does not fit the lake's table {source.name}:", *problems]),
            next_step=f"{source.name} is the name of a sample table. Give yours another in lake.toml and export again:"
            f'\n  [tables.my_{source.name}]\n  source = "{source.shown}"\n  time_column = "{source.time_column}"',
        )


def _check_years(source: ExportSource, states: Mapping[date, DayState]) -> None:
    """Raise LakeError for rows of years that no query would find: the table's partitions do not cover them."""
    declared = TABLES.get(source.name)
    if declared is None:
        return
    first, last = declared.years
    if outside := declared.undeclared_years(states):
        raise LakeError(
            f"{source.shown} has rows of {', '.join(map(str, outside))}; the lake's partitions are declared for"
            f" {first} to {last}, and no query would find them.",
            next_step="Limit the export with --from and --to, or give the table another name in lake.toml.",
        )
