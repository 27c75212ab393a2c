"""The tables to export: from `lake.toml`, from `--table`, or the sample tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.errors import InputError
from services.lake.tables import TABLES, Table

_NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")
_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")
_OPTIONS = {
    "source": str,
    "time_column": str,
    "leave_out": list,
    "sort_by": list,
    "types": dict,
    "rename": dict,
}


_EXPECTED = {str: "string", list: "list of strings", dict: "table of strings"}


@dataclass(frozen=True)
class ExportSource:
    """A table of PostgreSQL, and what becomes of it in the lake.

    `name` is the table in the lake, `schema` and `relation` name it in PostgreSQL. Rows go into the day of
    `time_column`. `types` forces a column to 'string' or 'decimal(p,s)', `rename` gives it another name.
    `declared` is the table of the lake that the rows must fit, if there is one.
    """

    name: str
    schema: str
    relation: str
    time_column: str
    leave_out: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    declared: Table | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The table in PostgreSQL, for a person."""
        return f"{self.schema}.{self.relation}"


def declared_sources() -> tuple[ExportSource, ...]:
    """Return the tables of `services/lake/tables.py`."""
    return tuple(_declared(table) for table in TABLES.values())


def _declared(table: Table) -> ExportSource:
    schema, relation = table.source.split(".")
    return ExportSource(table.name, schema, relation, table.time_column, sort_by=table.sort_by, declared=table)


def from_options(options: Sequence[str]) -> tuple[ExportSource, ...]:
    """Return the tables of `--table public.orders:created_at`. Raises InputError."""
    return _distinct([_from_option(option) for option in options])


def _from_option(option: str) -> ExportSource:
    table, _, column = option.rpartition(":")
    if not table or not column:
        raise InputError(f"--table '{option}' has no time column.", next_step="Write --table public.orders:created_at.")
    schema, relation = _split(table)
    return ExportSource(_lake_name(relation), schema, relation, column)


def from_toml(text: str, where: str) -> tuple[ExportSource, ...]:
    """Return the tables of a lake.toml. Raises InputError, which lists every problem."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where} is not valid TOML: {error}", next_step="See docs/lake.md for an example.") from error
    tables = document.get("tables")
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{where} has no [tables.NAME] section.", next_step="See docs/lake.md for an example.")
    problems = [f"  {key}: unknown section" for key in document if key != "tables"]
    for name, options in tables.items():
        problems += [f"  tables.{name}: {problem}" for problem in _problems(name, options)]
    if problems:
        raise InputError("\n".join([f"{where} needs attention:", *problems]), next_step="See docs/lake.md.")
    return _distinct([_from_section(name, options) for name, options in tables.items()])


def _problems(name: str, options: Any) -> list[str]:
    if not isinstance(options, dict):
        return ["must be a section"]
    found = [] if _NAME.fullmatch(name) else ["the name may contain a-z, 0-9 and '_', and starts with a letter"]
    found += [
        f"unknown option '{option}'; options: {', '.join(_OPTIONS)}" for option in options if option not in _OPTIONS
    ]
    found += [] if "time_column" in options else ["time_column is missing"]
    for option, kind in _OPTIONS.items():
        if option in options and not _is(options[option], kind):
            found.append(f"{option} must be a {_EXPECTED[kind]}")
    if not found:
        found += [
            f"types.{column} is '{kind}': write 'string' or 'decimal(precision,scale)'"
            for column, kind in options.get("types", {}).items()
            if not is_type(kind)
        ]
    return found


def _is(value: Any, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return isinstance(value, kind)


def _from_section(name: str, options: Mapping[str, Any]) -> ExportSource:
    schema, relation = _split(options.get("source", name))
    return ExportSource(
        name=name,
        schema=schema,
        relation=relation,
        time_column=options["time_column"],
        leave_out=tuple(options.get("leave_out", ())),
        sort_by=tuple(options.get("sort_by", ())),
        types=options.get("types", {}),
        rename=options.get("rename", {}),
    )


def is_type(text: str) -> bool:
    """Return whether a column can be forced to this type."""
    return text == "string" or decimal_of(text) is not None


def decimal_of(text: str) -> tuple[int, int] | None:
    """Return the precision and scale of 'decimal(12,2)'; None if Athena has no such decimal."""
    found = _DECIMAL.fullmatch(text.replace(" ", ""))
    if found is None:
        return None
    precision, scale = int(found[1]), int(found[2])
    return (precision, scale) if 1 <= precision <= 38 and scale <= precision else None


def _split(table: str) -> tuple[str, str]:
    schema, _, relation = table.rpartition(".")
    return schema or "public", relation


def _lake_name(relation: str) -> str:
    name = relation.lower()
    if not _NAME.fullmatch(name):
        raise InputError(
            f"Invalid lake table name '{relation}': it may contain a-z, 0-9 and '_', and starts with a letter.",
            next_step="Declare the table in lake.toml under another name, with its `source`.",
        )
    return name


def _distinct(sources: Sequence[ExportSource]) -> tuple[ExportSource, ...]:
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Two tables have the name '{name}' in the lake.", next_step="Name them in lake.toml.")
    return tuple(sources)
