"""Functions of text and numbers."""

from __future__ import annotations

import re

from sqlglot import exp

from services.queries.offline.context import Context, call, cast, rule, wrap
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import BIGINT, BOOLEAN, DOUBLE, VARCHAR, Type, decimal

_MAX_GROWTH = 1_000  # one call of DuckDB's on huge text cannot be interrupted, nor is its memory limited
_PATH = re.compile(r"\$(?:\.\w+|\[\d+\]|\[\"[^\"]+\"\])*")


def _text(kind: Type) -> bool:
    return kind == VARCHAR


def _number(kind: Type) -> bool:
    return kind.is_numeric


def _whole(kind: Type) -> bool:
    return kind.is_integer


@rule(exp.Lower, exp.Upper)
def letter_case(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    node.set("this", call("athena_ascii", node.this))
    return VARCHAR


@rule(exp.Length)
def length(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    node.replace(call("length", node.this))
    return BIGINT


@rule(exp.Concat)
def concat(context: Context, node: exp.Expr) -> Type:
    for part in list(node.expressions):
        context.expect(node, part, _text, "varchar")
    joined, *rest = node.expressions
    for part in rest:
        joined = exp.DPipe(this=joined, expression=part)
    node.replace(exp.Paren(this=joined))
    return VARCHAR


@rule(exp.Substring)
def substring(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    context.expect(node, node.args["start"], _whole, "a whole number")
    size = node.args.get("length")
    if size is None:
        node.replace(call("athena_substr", node.this, node.args["start"]))
    else:
        context.expect(node, size, _whole, "a whole number")
        node.replace(call("athena_substr_length", node.this, node.args["start"], node.args["length"]))
    return VARCHAR


@rule(exp.Trim)
def trim(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    if node.expression:
        raise not_offline(node, "trimming given characters is not mapped")
    macro = {"LEADING": "athena_ltrim", "TRAILING": "athena_rtrim"}.get(str(node.args.get("position")), "athena_trim")
    node.replace(call(macro, node.this))
    return VARCHAR


@rule(exp.StrPosition)
def position(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    context.expect(node, node.args["substr"], _text, "varchar")
    if node.args.get("occurrence") or node.args.get("position"):
        raise not_offline(node, "only the first occurrence is mapped")
    return BIGINT


@rule(exp.Replace)
def replace(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    context.expect(node, node.expression, _text, "varchar")
    if node.args.get("replacement") is None:
        node.set("replacement", exp.Literal.string(""))
    context.expect(node, node.args["replacement"], _text, "varchar")
    if _growth(node) > _MAX_GROWTH:
        raise not_offline(node, f"nested, it makes a text more than {_MAX_GROWTH:,} times as long")
    return VARCHAR


def _growth(node: exp.Expr) -> int:
    """How many times as long nested replacements by literals make a text."""
    growth = 1
    while isinstance(node, exp.Replace | exp.Paren):
        found, put = node.args.get("expression"), node.args.get("replacement")
        if isinstance(found, exp.Literal) and isinstance(put, exp.Literal):
            growth *= max(1, -(-len(str(put.this)) // max(1, len(str(found.this)))))
        node = node.this
    return growth


@rule(exp.StartsWith)
def starts_with(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    context.expect(node, node.expression, _text, "varchar")
    return BOOLEAN


@rule(exp.Reverse)
def reverse(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    node.set("this", call("athena_ascii", node.this))
    return VARCHAR


@rule(exp.SplitPart)
def split_part(context: Context, node: exp.Expr) -> Type:
    parts = (node.this, node.args["delimiter"], node.args["part_index"])
    for part, wanted, what in zip(parts, (_text, _text, _whole), ("varchar", "varchar", "a number"), strict=True):
        context.expect(node, part, wanted, what)
    node.replace(call("athena_split_part", node.this, node.args["delimiter"], node.args["part_index"]))
    return VARCHAR


@rule(exp.JSONExtractScalar)
def json_scalar(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _text, "varchar")
    path = node.expression.sql("duckdb").strip("'")
    if not _PATH.fullmatch(path):
        raise not_offline(node, f"the JSON path {path} is more than names and positions")
    node.replace(call("athena_json_scalar", node.this, exp.Literal.string(path)))
    return VARCHAR


@rule(exp.Abs)
def absolute(context: Context, node: exp.Expr) -> Type:
    return context.expect(node, node.this, _number, "a number")


@rule(exp.Ceil, exp.Floor)
def whole_number(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, _number, "a number")
    if node.args.get("decimals"):
        raise refuses(node, "it takes one number")
    result = decimal(kind.precision - kind.scale + min(kind.scale, 1), 0) if kind.name == "decimal" else kind
    wrap(node, lambda whole: cast(whole, result))
    return result


@rule(exp.Round)
def rounded(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, _number, "a number")
    places = node.args.get("decimals")
    if places is not None and not (isinstance(places, exp.Literal) and str(places.this).isdecimal()):
        raise not_offline(node, "the number of places must be a literal")
    if kind.is_floating and places is not None:
        raise not_offline(node, "a double rounded to places differs in its last digits")
    result = kind
    if kind.name == "decimal":
        whole = decimal(kind.precision - kind.scale + min(kind.scale, 1), 0)
        result = whole if places is None else decimal(kind.precision + min(kind.scale, 1), kind.scale)
    wrap(node, lambda whole: cast(whole, result))
    return result


@rule(exp.Sqrt)
def square_root(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _number, "a number")
    node.set("this", cast(node.this, DOUBLE))
    return DOUBLE


@rule(exp.Greatest, exp.Least)
def extreme(context: Context, node: exp.Expr) -> Type:
    return context.together(node, [node.this, *node.expressions])
