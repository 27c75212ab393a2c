"""Literals and conditions."""

from __future__ import annotations

from sqlglot import exp

from services.queries.guard.predicate import INTEGERS
from services.queries.offline.context import Context, rule
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    NULL,
    TIMESTAMP,
    VARCHAR,
    Type,
    common,
    decimal,
)


@rule(exp.Literal)
def literal(_: Context, node: exp.Expr) -> Type:
    text = str(node.this)
    if node.is_string:
        return VARCHAR
    if text.isdecimal():
        value = int(text)
        if value >= 2**63:
            raise refuses(node, "the number is too large for a bigint")
        return INTEGER if value in INTEGERS else BIGINT
    if "e" in text.lower():
        return DOUBLE
    whole, _dot, places = text.partition(".")
    return decimal(len(whole.lstrip("0")) + len(places), len(places))


@rule(exp.Boolean)
def boolean(_: Context, __: exp.Expr) -> Type:
    return BOOLEAN


@rule(exp.Null)
def null(_: Context, __: exp.Expr) -> Type:
    return NULL


@rule(exp.Paren, exp.Alias, exp.Ordered)
def inner(context: Context, node: exp.Expr) -> Type:
    return context.of(node.this)


@rule(exp.Neg)
def negative(context: Context, node: exp.Expr) -> Type:
    return context.expect(node, node.this, lambda kind: kind.is_numeric, "a number")


@rule(exp.And, exp.Or)
def connective(context: Context, node: exp.Expr) -> Type:
    for part in list(node.flatten(unnest=False)):
        context.condition(part)
    return BOOLEAN


@rule(exp.Not)
def negation(context: Context, node: exp.Expr) -> Type:
    context.condition(node.this)
    return BOOLEAN


@rule(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
def comparison(context: Context, node: exp.Expr) -> Type:
    _comparable(context, node, [node.this, node.expression])
    return BOOLEAN


@rule(exp.Between)
def between(context: Context, node: exp.Expr) -> Type:
    if node.args.get("symmetric"):
        raise not_offline(node, "SYMMETRIC is not mapped")
    _comparable(context, node, [node.this, node.args["low"], node.args["high"]])
    return BOOLEAN


def _comparable(context: Context, node: exp.Expr, sides: list[exp.Expr]) -> None:
    kinds = [context.of(side) for side in sides]
    for kind in kinds:
        if kind.name.startswith(("array", "map", "struct")):
            raise not_offline(node, f"comparing {kind} is not mapped")
    for kind in kinds[1:]:
        if common(kinds[0], kind) is None:
            raise refuses(node, f"it compares {kinds[0]} with {kind}")
    if TIMESTAMP in kinds:
        _as_stored(context, sides)


def _as_stored(context: Context, sides: list[exp.Expr]) -> None:
    """Compares a scan's timestamp as it is stored, with literals in UTC, so that row groups are pruned by it.

    DuckDB takes a cast of the column as an expression that no bounds are known of.
    """
    columns = [side for side in sides if isinstance(side, exp.Column) and context.stored(side)]
    literals = [side for side in sides if isinstance(side, exp.Cast) and isinstance(side.this, exp.Literal)]
    if len(columns) + len(literals) != len(sides) or not columns:
        return
    for column in columns:
        column.set("this", exp.to_identifier(context.stored(column), quoted=True))
    for literal_ in literals:
        literal_.set("to", exp.DataType.build("TIMESTAMPTZ", dialect="duckdb"))


@rule(exp.In)
def membership(context: Context, node: exp.Expr) -> Type:
    query = node.args.get("query")
    if query is None:
        _comparable(context, node, [node.this, *node.expressions])
        return BOOLEAN
    outputs, kind = context.query(query), context.of(node.this)
    if len(outputs) != 1 or common(kind, outputs[0]) is None:
        raise refuses(node, f"it looks for {kind} among {', '.join(map(str, outputs))}")
    return BOOLEAN


@rule(exp.Is)
def is_null(context: Context, node: exp.Expr) -> Type:
    if not isinstance(node.expression, exp.Null):
        raise refuses(node, "IS takes only NULL and NOT NULL")
    if context.of(node.this) == TIMESTAMP:
        _as_stored(context, [node.this])
    return BOOLEAN


@rule(exp.Like)
def like(context: Context, node: exp.Expr) -> Type:
    for part in (node.this, node.expression):
        context.expect(node, part, lambda kind: kind == VARCHAR, "varchar")
    return BOOLEAN


@rule(exp.Escape)
def escape(context: Context, node: exp.Expr) -> Type:
    if not isinstance(node.expression, exp.Literal) or len(node.expression.this) != 1:
        raise not_offline(node, "ESCAPE takes one character as a literal")
    return context.of(node.this)


@rule(exp.Exists)
def exists(context: Context, node: exp.Expr) -> Type:
    context.query(node.this)
    return BOOLEAN


@rule(exp.Subquery)
def scalar(context: Context, node: exp.Expr) -> Type:
    outputs = context.query(node.this)
    if len(outputs) != 1:
        raise refuses(node, f"a subquery that stands for a value gives one column, and this gives {len(outputs)}")
    return outputs[0]


@rule(exp.DPipe)
def joined(context: Context, node: exp.Expr) -> Type:
    for part in (node.this, node.expression):
        context.expect(node, part, lambda kind: kind == VARCHAR, "varchar")
    return VARCHAR


@rule(exp.Case)
def case(context: Context, node: exp.Expr) -> Type:
    results: list[exp.Expr] = []
    for branch in node.args["ifs"]:
        if node.this:
            _comparable(context, node, [node.this, branch.this])
        else:
            context.condition(branch.this)
        results.append(branch.args["true"])
    if node.args.get("default"):
        results.append(node.args["default"])
    return context.together(node, results)


@rule(exp.If)
def if_(context: Context, node: exp.Expr) -> Type:
    context.condition(node.this)
    return context.together(node, [part for part in (node.args["true"], node.args.get("false")) if part])


@rule(exp.Coalesce)
def coalesce(context: Context, node: exp.Expr) -> Type:
    return context.together(node, [node.this, *node.expressions])


@rule(exp.Nullif)
def nullif(context: Context, node: exp.Expr) -> Type:
    _comparable(context, node, [node.this, node.expression])
    return context.of(node.this)
