"""Casts, and the literals of dates and timestamps, which sqlglot reads as casts."""

from __future__ import annotations

import re

from sqlglot import exp

from services.queries.offline.context import Context, call, cast, rule
from services.queries.offline.refusals import not_offline
from services.queries.offline.types import DATE, NULL, TIMESTAMP, VARCHAR, Type, decimal

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?")


@rule(exp.Cast)
def cast_(context: Context, node: exp.Expr) -> Type:
    to = _target(node)
    if isinstance(node.this, exp.Literal) and node.this.is_string and to in (DATE, TIMESTAMP):
        return _moment(node, str(node.this.this), to)
    given = context.of(node.this)
    if given in (to, NULL):
        node.set("to", exp.DataType.build(to.sql, dialect="duckdb"))
        return to
    mapped = _cast(node, given, to)
    if mapped is None:
        raise not_offline(node, f"the cast from {given} to {to} is not mapped")
    node.replace(mapped)
    return to


def _target(node: exp.Expr) -> Type:
    name = node.args["to"].sql("trino").lower()
    parameters = re.sub(r"[^\d,]", "", name)
    if name.startswith("decimal"):
        precision, _, scale = (parameters or "38,0").partition(",")
        return decimal(int(precision), int(scale or 0))
    if name.startswith("timestamp") and "zone" not in name and parameters in ("", "0", "1", "2", "3"):
        return TIMESTAMP
    if name in ("boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "varchar", "date"):
        return Type(name)
    raise not_offline(node, f"the type {name} is not mapped")


def _moment(node: exp.Expr, text: str, to: Type) -> Type:
    """DATE '...' and TIMESTAMP '...', in the one form that both engines read alike."""
    if not (_DATE if to == DATE else _TIMESTAMP).fullmatch(text):
        form = "2025-01-10" if to == DATE else "2025-01-10 14:30:00.000"
        raise not_offline(node, f"write it as '{form}'")
    node.set("to", exp.DataType.build(to.sql, dialect="duckdb"))
    return to


def _cast(node: exp.Expr, given: Type, to: Type) -> exp.Expr | None:
    """The cast in DuckDB that gives Trino's result; None where there is none."""
    value = node.this
    if given.is_numeric and to.is_numeric:
        rounding = given.is_floating and not to.is_floating
        if rounding and to.name == "decimal":
            return None
        return cast(call("round", value) if rounding else value, to)
    if to == VARCHAR:
        if given == TIMESTAMP:
            return call("athena_timestamp_text", value)
        return None if given.is_floating else cast(value, VARCHAR)
    if given == VARCHAR and to.is_integer:
        return cast(call("athena_text_number", value), to)
    if {given, to} == {DATE, TIMESTAMP}:
        return cast(value, to)
    return None
