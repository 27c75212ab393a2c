"""What a dump holds: each table's rows and content hash, the schema, the sequences. A value, and how two differ."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from services.bounds import EncodingName

FORM = 4  # of the schema's hashes: those of other forms cannot be compared
_COUNTED_COLUMNS = 3  # the form that counted the order of a table's columns, of those that inherit too; else it is as 4
Entry = TypeVar("Entry", "Content", "Sequence")
# Python's codecs by the names that PostgreSQL gives their encodings.
_LATIN = {f"LATIN{number}": f"iso8859_{part}" for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)}
_CODECS = {
    "EUC_CN": "euc_cn",
    "EUC_JIS_2004": "euc_jis_2004",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"ISO_8859_{part}": f"iso8859_{part}" for part in range(5, 9)},
    **{f"WIN{page}": f"cp{page}" for page in range(1250, 1259)},
    **_LATIN,
}
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


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
    `encoding` is that of the dump; None in manifests of older versions, which had everything converted to UTF8 but what
    was SQL_ASCII.
    """

    tables: Mapping[str, Content]
    schema: Mapping[str, str]
    sequences: Mapping[str, Sequence]
    large_objects: Content | None = None
    form: int = 0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    encoding: EncodingName | None = None

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())


def codec(encoding: str) -> str:
    """Return the name of the codec for a server encoding: UTF-8 also for those that Python has none for.

    They are SQL_ASCII, which may hold any bytes, EUC_TW and MULE_INTERNAL.
    """
    return _CODECS.get(encoding, "utf_8")


def plain_name(name: str) -> str:
    """Return a qualified name as SQL writes it without its quotes."""
    return _QUOTED.sub(lambda found: found[1].replace('""', '"'), name)


def differences(
    expected: Fingerprint, found: Fingerprint, *, compare_schema: bool = True, left_out: Collection[str] = ()
) -> list[str]:
    """Every difference as a sentence of its own, table by table; none when they are equal.

    Dumps by pg_dump of different major versions write one schema in different words: then `compare_schema` is False.
    Tables and sequences that the backup has `left_out`, by their names without quotes, are empty in a copy.
    """
    told = list(_tables(expected.tables, _without(found.tables, left_out)))
    if expected.large_objects != found.large_objects:
        told.append(f"large objects: {_amount(expected.large_objects)} became {_amount(found.large_objects)}")
    told += _named("sequence", expected.sequences, _without(found.sequences, left_out))
    if compare_schema:
        names = compared_by_name(expected, found)
        told += _named("schema", {**expected.schema, **names}, {**found.schema, **_common(names, found.schema)})
    return told


def reordered(expected: Fingerprint, found: Fingerprint) -> set[str]:
    """The tables that differ, but not in their numbers of rows and bytes: it may be that only their order does."""
    return {
        name
        for name, before in expected.tables.items()
        if (after := found.tables.get(name)) is not None
        and before != after
        and (before.rows, before.bytes) == (after.rows, after.bytes)
    }


def _without(entries: Mapping[str, Entry], left_out: Collection[str]) -> dict[str, Entry]:
    return {name: entry for name, entry in entries.items() if plain_name(name) not in left_out}


def compared_by_name(expected: Fingerprint, found: Fingerprint) -> dict[str, str]:
    """The objects whose hashes cannot be compared, each with an empty one."""
    if expected.form == found.form:
        return {}
    if (expected.form, found.form) == (_COUNTED_COLUMNS, FORM):
        inheriting = {f"TABLE {plain_name(name)}" for name in expected.columns}
        return dict.fromkeys(inheriting & expected.schema.keys(), "")
    return dict.fromkeys(expected.schema, "")


def _common(names: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {name: hash_ for name, hash_ in names.items() if name in others}


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
