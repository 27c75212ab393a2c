"""What a dump holds: each table's rows and content hash, the schema, the sequences. A value, and how two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Content:
    """Rows, bytes and SHA-256 of what lies between `COPY ... FROM stdin;` and `\\.`.

    `psql -c "COPY table (columns) TO STDOUT" | sha256sum` gives the same hash of a table restored from the dump. Where
    pg_dump loads partitions by their root, it is all of them by the root's name, and the sum of the rows' SHA-256.
    """

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Sequence:
    """A sequence's last value, and whether it was handed out."""

    value: int
    is_called: bool


@dataclass(frozen=True)
class Fingerprint:
    """What a dump holds.

    `tables` by qualified name as SQL writes it; `schema` has a short hash for each object, by type and name, of its SQL
    in the form that a restore leaves as it is; `large_objects` counts them as its rows. Hashes of another
    `form` cannot be compared: of the schema only the names are then.
    `columns` is the order in which the columns of each table that inherits were hashed: a restore may give it another.
    """

    tables: Mapping[str, Content]
    schema: Mapping[str, str]
    sequences: Mapping[str, Sequence]
    large_objects: Content | None = None
    form: int = 0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())


def differences(expected: Fingerprint, found: Fingerprint, *, compare_schema: bool = True) -> list[str]:
    """Every difference as a sentence of its own, table by table; none when they are equal.

    Dumps by pg_dump of different major versions write one schema in different words: then `compare_schema` is False.
    """
    found_tables = dict(found.tables)
    told = list(_tables(expected.tables, found_tables))
    if expected.large_objects != found.large_objects:
        told.append(f"large objects: {_amount(expected.large_objects)} became {_amount(found.large_objects)}")
    told += _named("sequence", expected.sequences, found.sequences)
    if compare_schema and expected.form == found.form:
        told += _named("schema", expected.schema, found.schema)
    elif compare_schema:
        told += _named("schema", dict.fromkeys(expected.schema, ""), dict.fromkeys(found.schema, ""))
    return told


def _tables(expected: Mapping[str, Content], found: Mapping[str, Content]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        before, after = expected.get(name), found.get(name)
        if before == after:
            continue
        if before is None or after is None:
            yield f"table {name}: {_amount(before)} became {_amount(after)}"
        elif before.rows != after.rows:
            yield f"table {name}: {before.rows:,} rows became {after.rows:,}"
        else:
            yield f"table {name}: the content of its {before.rows:,} rows differs"


def _amount(content: Content | None) -> str:
    return "none" if content is None else f"{content.rows:,}"


def _named(kind: str, expected: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        before, after = expected.get(name), found.get(name)
        if before == after:
            continue
        if after is None:
            yield f"{kind} {name}: missing"
        elif before is None:
            yield f"{kind} {name}: was not there"
        elif isinstance(before, Sequence) and isinstance(after, Sequence):
            yield f"{kind} {name}: {before.value} became {after.value}"
        else:
            yield f"{kind} {name}: differs"
