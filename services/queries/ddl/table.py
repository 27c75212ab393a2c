"""A CREATE EXTERNAL TABLE as a value: its clauses, what is wrong with them, and its text again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from services.identifiers import quote
from services.queries.catalog import TableSchema
from services.queries.ddl.words import RESERVED

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class DdlColumn:
    """A column or partition key with its Athena type."""

    name: str
    kind: str
    comment: str = ""

    def __str__(self) -> str:
        return f"{hive_name(self.name)} {self.kind}" + (f" COMMENT {literal(self.comment)}" if self.comment else "")


@dataclass(frozen=True)
class CreateTable:
    """The clauses of a CREATE EXTERNAL TABLE. `keys` are its partition columns."""

    database: str
    name: str
    columns: tuple[DdlColumn, ...]
    keys: tuple[DdlColumn, ...]
    stored_as: str
    location: str
    properties: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    serde: str = ""

    @property
    def address(self) -> str:
        """The table's name as DDL writes it, with that of its database where it has one."""
        return ".".join(hive_name(name) for name in (self.database, self.name) if name)

    @property
    def projected(self) -> bool:
        """Whether its partitions come from projection: those in the catalog are then ignored."""
        return self.properties.get("projection.enabled", "").lower() == "true"

    def without_projection(self) -> CreateTable:
        """The same table with its partitions kept in the catalog."""
        kept = {
            name: value
            for name, value in self.properties.items()
            if not name.startswith("projection.") and name != "storage.location.template"
        }
        return replace(self, properties=kept)

    def __str__(self) -> str:
        lines = [f"CREATE EXTERNAL TABLE IF NOT EXISTS {self.address} (", _listed(self.columns), ")"]
        if self.comment:
            lines.append(f"COMMENT {literal(self.comment)}")
        if self.keys:
            lines.append(f"PARTITIONED BY ({', '.join(map(str, self.keys))})")
        if self.serde:
            lines.append(f"ROW FORMAT SERDE {literal(self.serde)}")
        lines += [f"STORED AS {self.stored_as}", f"LOCATION {literal(self.location)}"]
        if self.properties:
            pairs = [f"  {literal(name)} = {literal(value)}" for name, value in self.properties.items()]
            lines += ["TBLPROPERTIES (", ",\n".join(pairs), ")"]
        return "\n".join(lines)


def hive_name(name: str) -> str:
    """An identifier as Athena's DDL takes it: in backticks where it is no plain word."""
    plain = _PLAIN.fullmatch(name) and name.upper() not in RESERVED
    return name if plain else quote(name, "`")


def _listed(columns: tuple[DdlColumn, ...]) -> str:
    return ",\n".join(f"  {column}" for column in columns)


def literal(text: str) -> str:
    """A DDL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def faults(table: CreateTable) -> Iterator[str]:
    """What Athena would take, and then answer wrongly or with nothing."""
    names = Counter(column.name for column in (*table.columns, *table.keys))
    for name in sorted(name for name, times in names.items() if times > 1):
        yield f"{name} is named twice: a partition key is no column of the files"
    if not table.location.startswith("s3://") or not table.location.endswith("/"):
        yield f"LOCATION is '{table.location}', and must be an s3:// folder that ends in '/'"
    if table.projected:
        yield from _projection_faults(table)


def _projection_faults(table: CreateTable) -> Iterator[str]:
    template = table.properties.get("storage.location.template", "")
    if not template.startswith(table.location):
        yield f"storage.location.template is '{template}', which is not below LOCATION"
    if not template.endswith("/"):
        yield "storage.location.template must end in '/'"
    for key in table.keys:
        prefix = f"projection.{key.name}"
        if table.properties.get(f"{prefix}.type") != "integer":
            yield f"{prefix}.type must be 'integer'"
        first, comma, last = table.properties.get(f"{prefix}.range", "").partition(",")
        if not comma or not first.strip().lstrip("-").isdecimal() or not last.strip().lstrip("-").isdecimal():
            yield f"{prefix}.range must be two whole numbers, as '1,12'"
        if f"${{{key.name}}}" not in template:
            yield f"storage.location.template does not name ${{{key.name}}}"
    known = {key.name for key in table.keys} | {"enabled"}
    for name in table.properties:
        if name.startswith("projection.") and name.split(".")[1] not in known:
            yield f"{name} is of no partition key"


def differences(table: CreateTable, declared: TableSchema) -> Iterator[str]:
    """Where the DDL says something else than the lake declares."""
    if table.name != declared.name:
        yield f"the table is named {table.name}, and the lake declares {declared.name}"
    yield from _column_differences(table, declared)
    if [(key.name, key.kind) for key in table.keys] != [(key.name, "int") for key in declared.keys]:
        yield f"the partition keys are not {', '.join(f'{key.name} int' for key in declared.keys)}"
    if table.projected:
        yield from _projection_differences(table, declared)


def _column_differences(table: CreateTable, declared: TableSchema) -> Iterator[str]:
    found = {column.name: column.kind for column in table.columns}
    if list(found.items()) != list(declared.columns.items()):
        for name, kind in declared.columns.items():
            if found.get(name) != kind:
                yield f"column {name} is {found.get(name, 'not there')}, and the lake declares {kind}"
        for name in found:
            if name not in declared.columns:
                yield f"column {name} is not declared by the lake"
        if sorted(found.items()) == sorted(declared.columns.items()):
            yield f"the columns stand in another order than the lake declares: {', '.join(declared.columns)}"


def _projection_differences(table: CreateTable, declared: TableSchema) -> Iterator[str]:
    for key in declared.keys:
        prefix = f"projection.{key.name}"
        span = table.properties.get(f"{prefix}.range", "").replace(" ", "")
        if span != f"{key.first},{key.last}":
            yield f"{prefix}.range is '{span}', and the lake declares {key.first},{key.last}"
        digits = int(table.properties.get(f"{prefix}.digits", "1"))
        if digits != key.digits and len(str(key.first)) < key.digits:
            yield f"{prefix}.digits is {digits}, and the lake's folders have {key.digits}"
        if f"{key.name}=${{{key.name}}}" not in table.properties.get("storage.location.template", ""):
            yield f"storage.location.template does not name the folder {key.name}=${{{key.name}}}"
