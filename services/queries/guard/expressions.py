"""What an expression is made of."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

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
