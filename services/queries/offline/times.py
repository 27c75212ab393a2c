"""Functions of dates and timestamps."""

from __future__ import annotations

import re

from sqlglot import exp

from services.queries.offline.context import Context, call, cast, rule
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import BIGINT, DATE, TIMESTAMP, VARCHAR, Type

_ELAPSED = {"MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK"}
_TRUNCATED = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
_EXTRACTED = {"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"}
_FORMAT = re.compile(r"(?:%[YmdHMSijs]|[^%])*")


def _time(kind: Type) -> bool:
    return kind.is_temporal


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return str(unit.name).upper() if unit is not None else ""


@rule(exp.Year, exp.Quarter, exp.Month, exp.Day, exp.DayOfMonth, exp.DayOfYear, exp.DayOfWeekIso, exp.WeekOfYear)
def day_part(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _time, "a date or timestamp")
    return BIGINT


@rule(exp.Hour, exp.Minute, exp.Second)
def time_part(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, lambda kind: kind == TIMESTAMP, "a timestamp")
    return BIGINT


@rule(exp.Extract)
def extract(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.expression, _time, "a date or timestamp")
    if node.this.name.upper() not in _EXTRACTED:
        raise not_offline(node, f"{node.this.name} is not among {', '.join(sorted(_EXTRACTED)).lower()}")
    return BIGINT


@rule(exp.Date)
def date(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, _time, "a date or timestamp")
    node.replace(cast(node.this, DATE))
    return DATE


@rule(exp.TimestampTrunc, exp.DateTrunc)
def truncated(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, _time, "a date or timestamp")
    unit = _unit(node)
    if unit not in _TRUNCATED or (kind == DATE and unit in ("SECOND", "MINUTE", "HOUR")):
        raise refuses(node, f"'{unit.lower()}' is no unit of a {kind}")
    node.replace(cast(call("date_trunc", exp.Literal.string(unit.lower()), node.this), kind))
    return kind


@rule(exp.DateDiff)
def elapsed(context: Context, node: exp.Expr) -> Type:
    # sqlglot keeps the later time first, whatever the dialect.
    later, earlier = node.this, node.expression
    kinds = [context.expect(node, part, _time, "dates or timestamps") for part in (later, earlier)]
    unit = _unit(node)
    if unit not in _ELAPSED:
        raise not_offline(node, f"the {unit.lower()}s between two times differ at the ends of months")
    if kinds[0] != kinds[1]:
        node.set("this", cast(node.this, TIMESTAMP))
        node.set("expression", cast(node.expression, TIMESTAMP))
    node.replace(call("date_sub", exp.Literal.string(unit.lower()), node.expression, node.this))
    return BIGINT


@rule(exp.DateAdd)
def added(context: Context, node: exp.Expr) -> Type:
    kind = context.expect(node, node.this, _time, "a date or timestamp")
    context.expect(node, node.expression, lambda kind: kind.is_integer, "a whole number")
    unit = _unit(node)
    if unit not in {*_ELAPSED, "MONTH", "YEAR"} or (kind == DATE and unit in ("SECOND", "MINUTE", "HOUR")):
        raise refuses(node, f"'{unit.lower()}' is no unit of a {kind}")
    step = exp.Interval(this=exp.Literal.string("1"), unit=exp.var(unit))
    steps = exp.Paren(this=exp.Mul(this=exp.Paren(this=node.expression), expression=step))
    node.replace(cast(exp.Paren(this=exp.Add(this=node.this, expression=steps)), kind))
    return kind


@rule(exp.TimeToStr)
def formatted(context: Context, node: exp.Expr) -> Type:
    context.expect(node, node.this, lambda kind: kind == TIMESTAMP, "a timestamp")
    form = node.args["format"]
    if not isinstance(form, exp.Literal) or not _FORMAT.fullmatch(str(form.this)):
        raise not_offline(node, "of the format only %Y, %m, %d, %H, %i, %s and %j are mapped")
    return VARCHAR


@rule(exp.CurrentDate)
def today(_: Context, __: exp.Expr) -> Type:
    return DATE
