"""The partition filter to add, read from what the query already says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlglot import exp

from services.queries.guard.partitions import Domain, PartitionSet
from services.queries.guard.predicate import columns_in, conjuncts, evaluate, integer, mirrored
from services.queries.guard.scans import TableScan
from services.queries.guard.statement import DIALECT

_SAMPLE = 2025  # the year of the sample rows; a table of other years begins with one that has rows
_LOW = (exp.GT, exp.GTE, exp.EQ)
_HIGH = (exp.LT, exp.LTE, exp.EQ)


def filter_to_add(scan: TableScan, domain: Domain, others: Sequence[tuple[TableScan, PartitionSet]]) -> str:
    """A filter for `scan`, as SQL.

    In this order: the one that stands in its join's ON, the one that its conditions mean but do not say
    (`month = '01'`, `year(created_at) = 2025`, a range of the event time), the filter of another scan of the query, an
    example within the declared ranges.
    """
    joined = _in_its_join(scan, domain)
    if joined:
        return joined
    where = scan.block.node.args.get("where")
    parts = list(conjuncts(where.this)) if where else []
    meant = _meant(parts, scan, domain) or _from_event_time(parts, scan, domain)
    if meant:
        return meant
    for other, chosen in others:
        copied = _copied(other, chosen, scan, domain)
        if copied:
            return copied
    return _equalities(
        scan, {key.name: _SAMPLE if key.first <= _SAMPLE <= key.last else key.first for key in domain.keys}
    )


def _equalities(scan: TableScan, values: dict[str, int]) -> str:
    return " AND ".join(f"{scan.name}.{name} = {value}" for name, value in values.items())


def _meant(parts: Sequence[exp.Expr], scan: TableScan, domain: Domain) -> str:
    """The equalities that were written with a wrong literal or under a function."""
    values: dict[str, int] = {}
    for part in parts:
        if not isinstance(part, exp.EQ):
            continue
        for side, other in ((part.this, part.expression), (part.expression, part.this)):
            key, value = _key_meant(side, scan, domain), _number_meant(other)
            if key and value is not None and PartitionSet(domain, domain.where(key, [value])).bits:
                values[key] = value
    ordered = {key.name: values[key.name] for key in domain.keys if key.name in values}
    return _equalities(scan, ordered)


def _key_meant(side: exp.Expr, scan: TableScan, domain: Domain) -> str | None:
    columns = list(columns_in(side))
    if len(columns) != 1:
        return None
    name = columns[0].name.lower()
    if domain.key(name) and columns[0].table.lower() in ("", scan.name.lower()):
        return name
    function = side.unnest().key
    return function if name == scan.table.event_time and domain.key(function) else None


def _number_meant(side: exp.Expr) -> int | None:
    number = integer(side)
    if number is not None:
        return number
    plain = side.unnest()
    if isinstance(plain, exp.Cast):
        plain = plain.this.unnest()
    text = str(plain.this) if isinstance(plain, exp.Literal) else ""  # of `2024 + 1` no number is meant by itself
    whole, _, rest = text.partition(".")
    return int(whole) if whole.isdecimal() and not rest.strip("0") else None


def _from_event_time(parts: Sequence[exp.Expr], scan: TableScan, domain: Domain) -> str:
    """The partitions that a range of the event time lies in; empty when it has no bound that excludes any."""
    if scan.table.event_time is None or [key.name for key in domain.keys] != ["year", "month", "day"]:
        return ""
    lows: list[date] = []
    highs: list[date] = []
    for part in parts:
        _bound(part, scan.table.event_time, lows, highs)
    if not lows or not highs:
        return _one_sided(scan, domain, lows, highs)
    if max(lows) > min(highs):
        return ""
    first, last, name = max(lows), min(highs), scan.name
    if first == last:
        return _equalities(scan, {"year": first.year, "month": first.month, "day": first.day})
    if (first.year, first.month) == (last.year, last.month):
        days = f"{name}.day BETWEEN {first.day} AND {last.day}"
        return f"{_equalities(scan, {'year': first.year, 'month': first.month})} AND {days}"
    if first.year == last.year:
        return f"{name}.year = {first.year} AND {name}.month BETWEEN {first.month} AND {last.month}"
    return f"{name}.year BETWEEN {first.year} AND {last.year}"


def _one_sided(scan: TableScan, domain: Domain, lows: Sequence[date], highs: Sequence[date]) -> str:
    years = domain.keys[0]
    if lows and max(lows).year > years.first:
        return f"{scan.name}.year >= {max(lows).year}"
    if highs and min(highs).year < years.last:
        return f"{scan.name}.year <= {min(highs).year}"
    return ""


def _bound(part: exp.Expr, event_time: str, lows: list[date], highs: list[date]) -> None:
    if isinstance(part, exp.Between):
        low, high = _moment(part.args["low"]), _moment(part.args["high"])
        if _is_event_time(part.this, event_time) and low and high:
            lows.append(low.date())
            highs.append(high.date())
        return
    if not isinstance(part, _LOW + _HIGH):
        return
    kind: type[exp.Expr] = type(part)
    left, right = part.this, part.expression
    if _is_event_time(right, event_time):
        kind, left, right = mirrored(kind), right, left
    moment = _moment(right)
    if moment is None or not _is_event_time(left, event_time):
        return
    if issubclass(kind, _LOW):
        lows.append(moment.date())
    if issubclass(kind, _HIGH):
        # `< midnight` ends the day before.
        highs.append((moment - timedelta(microseconds=1) if kind is exp.LT else moment).date())


def _is_event_time(node: exp.Expr, event_time: str) -> bool:
    """The event time itself, or a date made of it."""
    plain = node.unnest()
    if isinstance(plain, exp.Cast | exp.Date | exp.TsOrDsToDate):
        plain = plain.this.unnest()
    return isinstance(plain, exp.Column) and plain.name.lower() == event_time


def _moment(node: exp.Expr) -> datetime | None:
    literal = node.find(exp.Literal)
    if literal is None or not literal.is_string:
        return None
    try:
        return datetime.fromisoformat(str(literal.this).replace(" UTC", "")).replace(tzinfo=None)
    except ValueError:
        return None


def where_to_add(scan: TableScan, condition: str) -> str:
    """The change that puts a filter beside its scan. In the WHERE of an outer join it would drop unmatched rows."""
    if not scan.nullable:
        return f"add: {condition}"
    named = scan.table.name if scan.name.lower() == scan.table.name else f"{scan.table.name} AS {scan.name}"
    return f"join a subquery in its place: (SELECT * FROM {named} WHERE {condition}) AS {scan.name}"  # noqa: S608  # advice


def _in_its_join(scan: TableScan, domain: Domain) -> str:
    """The partition conditions in the ON of the scan's own join, unless it is the side that an outer join keeps."""
    block = scan.block.node
    kept: list[str] = []
    for join in block.args.get("joins") or []:
        condition = join.args.get("on")
        if condition is None or (join.side and not (scan.nullable and join.this is scan.node)):
            continue
        kept += _of_keys(condition, scan, scan, domain)
    return " AND ".join(kept)


def _of_keys(condition: exp.Expr, source: TableScan, scan: TableScan, domain: Domain) -> list[str]:
    """The parts of a condition that are about keys of `source` only and exclude partitions, under `scan`'s name."""
    kept: list[str] = []
    for part in conjuncts(condition):
        columns = list(columns_in(part))
        excludes = domain.everything & ~evaluate(part, domain, source.key_of).true
        if excludes and all(source.key_of(column) for column in columns) and not part.find(exp.Query):
            copy = part.copy()
            for column in list(copy.find_all(exp.Column)):
                column.replace(exp.column(column.name.lower(), table=scan.name))
            text = copy.sql(DIALECT)
            kept.append(f"({text})" if " OR " in text else text)
    return kept


def _copied(other: TableScan, chosen: PartitionSet, scan: TableScan, domain: Domain) -> str:
    """The other scan's own partition conditions, under this scan's name."""
    where = other.block.node.args.get("where")
    if not where or not chosen.bits or chosen.domain.keys != domain.keys:
        return ""
    return " AND ".join(_of_keys(where.this, other, scan, domain))
