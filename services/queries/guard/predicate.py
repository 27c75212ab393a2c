"""What a WHERE lets through, partition by partition, by SQL's three-valued logic.

Each condition becomes three sets of partitions: where it can be true, where it can be false and where it can be NULL,
for some row. A condition that is not understood can be all three anywhere, so nothing is ever excluded by guesswork:
what the evaluation excludes, no row of the answer needs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import NamedTuple

from sqlglot import exp

from services.queries.guard.partitions import Domain

KeyOf = Callable[[exp.Column], str | None]
"""The partition key that a column is, for the scan in question; None for any other column."""

INTEGERS = range(-(2**31), 2**31)

_COMPARE: dict[type[exp.Expr], Callable[[int, int], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.NullSafeEQ: operator.eq,
    exp.NullSafeNEQ: operator.ne,
}


class Truth(NamedTuple):
    """Where a condition can be true, false, NULL: bits of a domain, `absent` among them."""

    true: int
    false: int
    null: int

    def negated(self) -> Truth:
        return Truth(self.false, self.true, self.null)

    def __and__(self, other: Truth) -> Truth:
        return Truth(
            self.true & other.true,
            self.false | other.false,
            self.null & (other.null | other.true) | other.null & (self.null | self.true),
        )

    def __or__(self, other: Truth) -> Truth:
        return (self.negated() & other.negated()).negated()


def evaluate(node: exp.Expr, domain: Domain, key_of: KeyOf) -> Truth:
    """Where `node` can be true, false and NULL for a scan with these keys.

    Counted are comparisons of a key with integer literals (=, <>, <, <=, >, >=, IS [NOT] DISTINCT FROM, [NOT] IN,
    [NOT] BETWEEN), IS [NOT] NULL, literals among themselves, and AND, OR and NOT of those. Anything else is unknown.
    """
    return _Evaluation(domain, key_of).of(node)


def integer(node: exp.Expr | None) -> int | None:
    """The value of an integer literal as Trino types it, with its sign and parentheses; None for anything else."""
    if isinstance(node, exp.Paren):
        return integer(node.this)
    if isinstance(node, exp.Neg):
        value = integer(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdecimal():
        value = int(node.this)
        return value if value in INTEGERS else None
    return None


class _Evaluation:
    def __init__(self, domain: Domain, key_of: KeyOf) -> None:
        self.domain = domain
        self.key_of = key_of
        self.all = domain.everything | domain.absent
        self.unknown = Truth(self.all, self.all, self.all)
        self.null = Truth(0, 0, self.all)

    def of(self, node: exp.Expr) -> Truth:
        if isinstance(node, exp.Paren):
            return self.of(node.this)
        if isinstance(node, exp.And):
            return reduce(operator.and_, map(self.of, node.flatten(unnest=False)))
        if isinstance(node, exp.Or):
            return reduce(operator.or_, map(self.of, node.flatten(unnest=False)))
        if isinstance(node, exp.Not):
            return self.of(node.this).negated()
        return self._atom(node)

    def _atom(self, node: exp.Expr) -> Truth:
        if type(node) in _COMPARE:
            return self._comparison(type(node), node.this, node.expression)
        if isinstance(node, exp.In):
            return self._in(node)
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            low = self._comparison(exp.GTE, node.this, node.args["low"])
            return low & self._comparison(exp.LTE, node.this, node.args["high"])
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return self._is_null(node.this)
        if isinstance(node, exp.Boolean):
            return self._constant(bool(node.this))
        return self.null if isinstance(node, exp.Null) else self.unknown

    def _constant(self, value: bool) -> Truth:
        return Truth(self.all, 0, 0) if value else Truth(0, self.all, 0)

    def _key(self, node: exp.Expr) -> str | None:
        plain = node.unnest()
        return self.key_of(plain) if isinstance(plain, exp.Column) else None

    def _matching(
        self, key: str, values: Iterable[int], *, null_safe: bool = False, when_absent: bool = False
    ) -> Truth:
        """True where the key is one of `values`, false elsewhere; NULL for the absent row unless `null_safe`."""
        true = self.domain.where(key, values)
        false = self.domain.everything & ~true
        absent = self.domain.absent
        if not null_safe:
            return Truth(true, false, absent)
        return Truth(true | absent, false, 0) if when_absent else Truth(true, false | absent, 0)

    def _comparison(self, kind: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> Truth:
        null_safe = kind in (exp.NullSafeEQ, exp.NullSafeNEQ)
        if integer(left) is not None or isinstance(left.unnest(), exp.Null):
            left, right, kind = right, left, mirrored(kind)
        key, value, compare = self._key(left), integer(right), _COMPARE[kind]
        if isinstance(right.unnest(), exp.Null):
            return self._against_null(kind, left, null_safe=null_safe)
        if value is None:
            return self.unknown
        constant = integer(left)
        if constant is not None:
            return self._constant(compare(constant, value))
        declared = self.domain.key(key) if key else None
        if declared is None:
            return self.unknown
        values = [at for at in range(declared.first, declared.last + 1) if compare(at, value)]
        return self._matching(declared.name, values, null_safe=null_safe, when_absent=kind is exp.NullSafeNEQ)

    def _against_null(self, kind: type[exp.Expr], left: exp.Expr, *, null_safe: bool) -> Truth:
        if null_safe:
            is_null = self._is_null(left)
            return is_null if kind is exp.NullSafeEQ else is_null.negated()
        known = self._key(left) or integer(left) is not None or isinstance(left.unnest(), exp.Null)
        return self.null if known else self.unknown

    def _is_null(self, node: exp.Expr) -> Truth:
        if self._key(node):
            return Truth(self.domain.absent, self.domain.everything, 0)
        if integer(node) is not None:
            return self._constant(False)
        return self._constant(True) if isinstance(node.unnest(), exp.Null) else self.unknown

    def _in(self, node: exp.In) -> Truth:
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field") or not node.expressions:
            return self.unknown
        options = (self._comparison(exp.EQ, node.this, option) for option in node.expressions)
        return reduce(operator.or_, options)


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}


def mirrored(kind: type[exp.Expr]) -> type[exp.Expr]:
    """The comparison that says the same with its sides exchanged: `a < b` is `b > a`."""
    return _MIRRORED.get(kind, kind)


def conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that AND joins, parentheses removed."""
    plain = node.unnest()
    if isinstance(plain, exp.And):
        for part in plain.flatten():
            yield from conjuncts(part)
    else:
        yield plain


def columns_in(node: exp.Expr) -> Iterator[exp.Column]:
    """The columns of an expression, those of its subqueries left out."""
    for found in node.walk(prune=lambda inner: isinstance(inner, exp.Query)):
        if isinstance(found, exp.Column):
            yield found
