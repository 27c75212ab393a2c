"""Arithmetic: whole numbers, decimals, doubles, and times with intervals."""

from __future__ import annotations

from sqlglot import exp

from services.queries.offline.context import Context, call, cast, rule, wrap
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import DOUBLE, INTERVAL, Type, as_decimal, common, decimal

_UNITS = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}


@rule(exp.Add, exp.Sub)
def sum_of(context: Context, node: exp.Expr) -> Type:
    left, right = context.of(node.this), context.of(node.expression)
    if left.is_numeric and right.is_numeric:
        return _arithmetic(left, right, add=True)
    if left.is_temporal and right == INTERVAL:
        wrap(node, lambda whole: cast(exp.Paren(this=whole), left))
        return left
    if left == INTERVAL and right.is_temporal and isinstance(node, exp.Add):
        wrap(node, lambda whole: cast(exp.Paren(this=whole), right))
        return right
    if left.is_temporal and right.is_temporal:
        raise not_offline(node, "the interval between two times is not mapped: use date_diff")
    raise refuses(node, f"it combines {left} and {right}")


@rule(exp.Mul)
def product(context: Context, node: exp.Expr) -> Type:
    left, right = context.of(node.this), context.of(node.expression)
    if not left.is_numeric or not right.is_numeric:
        raise refuses(node, f"it multiplies {left} and {right}")
    return _arithmetic(left, right, add=False)


def _arithmetic(left: Type, right: Type, *, add: bool) -> Type:
    together = common(left, right)
    if together is None or together.name != "decimal":
        return together or left
    one, other = as_decimal(left), as_decimal(right)
    if add:
        return decimal(together.precision + 1, together.scale)
    return decimal(one.precision + other.precision, one.scale + other.scale)


@rule(exp.Div)
def quotient(context: Context, node: exp.Expr) -> Type:
    left, right = context.of(node.this), context.of(node.expression)
    if not left.is_numeric or not right.is_numeric:
        raise refuses(node, f"it divides {left} by {right}")
    together = common(left, right) or left
    if together.is_floating:
        _as_double(node, left, right)
        return together
    if together.is_integer:
        divisor = call("athena_zero_checked", node.expression)
        node.replace(cast(exp.IntDiv(this=node.this, expression=divisor), together))
        return together
    return _decimal_quotient(node, as_decimal(left), as_decimal(right))


def _as_double(node: exp.Expr, left: Type, right: Type) -> None:
    """DuckDB divides doubles as Trino does; whole numbers beside them are made doubles first."""
    if not left.is_floating:
        node.set("this", cast(node.this, DOUBLE))
    if not right.is_floating:
        node.set("expression", cast(node.expression, DOUBLE))
    # sqlglot would add to a `/` what the dialects do with whole numbers.
    node.replace(call("athena_ratio", node.this, node.expression))


def _decimal_quotient(node: exp.Expr, left: Type, right: Type) -> Type:
    """Trino's decimal(p1 + s2 + max(0, s2 - s1), max(s1, s2)), rounded half away from zero."""
    scale = max(left.scale, right.scale)
    precision = left.precision + right.scale + max(0, right.scale - left.scale)
    numerator = call("athena_unscaled", node.this, power_of_ten(scale + right.scale))
    denominator = call("athena_unscaled", node.expression, power_of_ten(right.scale))
    divided = call("athena_divide", numerator, call("athena_zero_checked", denominator))
    kind = decimal(precision, scale)
    node.replace(scaled(divided, scale, kind))
    return kind


def power_of_ten(power: int) -> exp.Expr:
    """10^power as a HUGEINT."""
    return exp.Cast(this=exp.Literal.number(10**power), to=exp.DataType.build("HUGEINT", dialect="duckdb"))


def scaled(whole: exp.Expr, scale: int, kind: Type) -> exp.Expr:
    """A whole number divided by 10^scale, exactly, as `kind`."""
    digits = exp.Cast(this=whole, to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
    if not scale:
        return cast(digits, kind)
    text = exp.Literal.number(f"0.{'0' * (scale - 1)}1")
    step = exp.Cast(this=text, to=exp.DataType.build(f"DECIMAL({scale},{scale})", dialect="duckdb"))
    narrow = exp.Cast(this=digits, to=exp.DataType.build(f"DECIMAL({38 - scale},0)", dialect="duckdb"))
    return cast(exp.Paren(this=exp.Mul(this=narrow, expression=step)), kind)


@rule(exp.Mod)
def remainder(context: Context, node: exp.Expr) -> Type:
    left, right = context.of(node.this), context.of(node.expression)
    if not left.is_integer or not right.is_integer:
        raise not_offline(node, f"the remainder of {left} and {right} is not mapped")
    node.set("expression", call("athena_zero_checked", node.expression))
    return common(left, right) or left


@rule(exp.Interval)
def interval(_: Context, node: exp.Expr) -> Type:
    unit = str(node.args["unit"]).upper()
    if unit not in _UNITS or not isinstance(node.this, exp.Literal):
        raise not_offline(node, f"an interval is a literal number of {', '.join(sorted(_UNITS)).lower()}")
    return INTERVAL
