"""Aggregates and windows."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from services.queries.offline.arithmetic import power_of_ten, scaled
from services.queries.offline.context import Context, call, cast, outermost, rule, wrap
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import BIGINT, BOOLEAN, DOUBLE, Type, decimal


@rule(exp.Star)
def star(_: Context, __: exp.Expr) -> Type:
    return BIGINT


@rule(exp.Distinct)
def distinct(context: Context, node: exp.Expr) -> Type:
    if len(node.expressions) != 1:
        raise refuses(node, "DISTINCT in an aggregate takes one expression")
    return context.of(node.expressions[0])


@rule(exp.Count)
def count(context: Context, node: exp.Expr) -> Type:
    if node.this is not None:
        context.of(node.this)
    return BIGINT


@rule(exp.CountIf)
def count_if(context: Context, node: exp.Expr) -> Type:
    context.condition(node.this)
    context.afterwards(lambda: _wrapped(node, lambda whole: cast(whole, BIGINT)))
    return BIGINT


@rule(exp.LogicalAnd, exp.LogicalOr)
def every(context: Context, node: exp.Expr) -> Type:
    context.condition(node.this)
    return BOOLEAN


@rule(exp.Min, exp.Max)
def extreme_of_all(context: Context, node: exp.Expr) -> Type:
    if node.expressions:
        raise not_offline(node, "the n greatest or least are not mapped")
    return context.of(node.this)


@rule(exp.Sum)
def total(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, lambda kind: kind.is_numeric, "a number")
    if kind.is_integer:
        context.afterwards(lambda: _wrapped(node, lambda whole: cast(whole, BIGINT)))
        return BIGINT
    return decimal(38, kind.scale) if kind.name == "decimal" else kind


@rule(exp.Avg)
def mean(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, lambda kind: kind.is_numeric, "a number")
    if kind.name != "decimal":
        return kind if kind.is_floating else DOUBLE
    context.afterwards(lambda: _decimal_mean(node, kind))
    return kind


def _decimal_mean(node: exp.Expr, kind: Type) -> None:
    """avg(x) as sum(x) / count(x), rounded half away from zero to x's own scale."""

    def quotient(whole: exp.Expr) -> exp.Expr:
        total, number = _instead_of_avg(whole, exp.Sum), _instead_of_avg(whole, exp.Count)
        return scaled(call("athena_mean", total, number, power_of_ten(kind.scale)), kind.scale, kind)

    _wrapped(node, quotient)


def _instead_of_avg(whole: exp.Expr, kind: type[exp.Expr]) -> exp.Expr:
    """A copy of an aggregate, with its FILTER and OVER, that takes another of the same values."""
    root = exp.Paren(this=whole.copy())
    found = root.find(exp.Avg)
    if found is not None:
        found.replace(kind(this=found.this))
    return root


def _wrapped(node: exp.Expr, make: Callable[[exp.Expr], exp.Expr]) -> None:
    wrap(outermost(node), make)


@rule(exp.Filter)
def filtered(context: Context, node: exp.Expr) -> Type:
    context.condition(node.expression.this)
    return context.of(node.this)


@rule(exp.RowNumber, exp.Rank, exp.DenseRank)
def rank(_: Context, __: exp.Expr) -> Type:
    return BIGINT


@rule(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)
def neighbour(context: Context, node: exp.Expr) -> Type:
    for name in ("offset", "default"):
        if node.args.get(name):
            context.of(node.args[name])
    return context.of(node.this)


@rule(exp.Window)
def window(context: Context, node: exp.Expr) -> Type:
    context.all(list(node.args.get("partition_by") or []))
    order = node.args.get("order")
    context.all(list(order.expressions) if order else [])
    spec = node.args.get("spec")
    if spec is not None and str(spec.args.get("kind")).upper() == "GROUPS":
        raise not_offline(node, "GROUPS frames are not mapped")
    return context.of(node.this)


def group(node: exp.Select, context: Context) -> None:
    """Types what a SELECT groups by."""
    found = node.args.get("group")
    if found is None:
        return
    for part in list(found.expressions):
        context.all(_columns(part) if isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets) else [part])
    if found.args.get("all"):
        raise not_offline(node, "GROUP BY ALL is not mapped")


def _columns(node: exp.Expr) -> list[exp.Expr]:
    """The columns of ROLLUP, CUBE and GROUPING SETS."""
    found: list[exp.Expr] = []
    for part in node.expressions:
        plain = part.unnest()
        if isinstance(plain, exp.Tuple):
            found += _columns(plain)
        elif isinstance(plain, exp.Column):
            found.append(plain)
        else:
            raise refuses(node, "its parts must be columns, not their positions or expressions over them")
    return found
