"""The walk that types an expression and puts DuckDB's own in the place of what it would answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import BOOLEAN, Type, common, common_of

Rule = Callable[["Context", exp.Expr], Type]
RULES: dict[type[exp.Expr], Rule] = {}
"""How each kind of expression is typed and mapped. A kind that is not here is refused."""


def rule(*kinds: type[exp.Expr]) -> Callable[[Callable[[Context, exp.Expr], Type]], Rule]:
    """Registers a function as the rule of these kinds."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


class Context:
    """Types the expressions of one SELECT.

    `column` gives the type of a qualified column, `query` those of a subquery's outputs, and `stored` the name under
    which a scan's timestamp is given as it is stored.
    """

    def __init__(
        self,
        column: Callable[[exp.Column], Type],
        query: Callable[[exp.Expr], list[Type]],
        stored: Callable[[exp.Column], str | None] = lambda _: None,
    ) -> None:
        self._column = column
        self._query = query
        self.stored = stored
        self._after: list[Callable[[], None]] = []

    def of(self, node: exp.Expr) -> Type:
        """The type of an expression; what DuckDB answers otherwise is replaced in place.

        Raises AthenaRefuses and NotAnsweredOffline.
        """
        if isinstance(node, exp.Column):
            return self._column(node)
        found = RULES.get(type(node))
        if found is None:
            name = node.sql_name() if isinstance(node, exp.Func) else node.key
            raise not_offline(node, f"{name.lower()} is not among the functions that are mapped and tested")
        return found(self, node)

    def query(self, node: exp.Expr) -> list[Type]:
        """The types of a subquery's outputs."""
        return self._query(node)

    def all(self, nodes: Sequence[exp.Expr]) -> list[Type]:
        """The types of several expressions."""
        return [self.of(node) for node in nodes]

    def condition(self, node: exp.Expr) -> None:
        """Raises AthenaRefuses unless the expression is a boolean."""
        kind = self.of(node)
        if common(kind, BOOLEAN) != BOOLEAN:
            raise refuses(node, f"a condition must be boolean, and this is {kind}")

    def together(self, node: exp.Expr, parts: Sequence[exp.Expr]) -> Type:
        """The common type of several parts of `node`. Raises AthenaRefuses when Athena has none."""
        kinds = self.all(parts)
        found = common_of(kinds)
        if found is None:
            raise refuses(node, f"it combines {' and '.join(dict.fromkeys(map(str, kinds)))}")
        return found

    def expect(self, node: exp.Expr, part: exp.Expr, wanted: Callable[[Type], bool], what: str) -> Type:
        """The type of a part. Raises AthenaRefuses unless it is as `wanted`."""
        kind = self.of(part)
        if kind.name != "null" and not wanted(kind):
            raise refuses(node, f"it takes {what}, not {kind}")
        return kind

    def afterwards(self, change: Callable[[], None]) -> None:
        """Defers a change of the tree until all of the SELECT is typed."""
        self._after.append(change)

    def finish(self) -> None:
        """Makes the deferred changes, innermost first."""
        for change in self._after:
            change()
        self._after.clear()


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a macro or function of DuckDB's. The arguments move into it."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: exp.Expr, kind: Type) -> exp.Cast:
    """The expression cast to a type. It moves into the cast."""
    return exp.Cast(this=node, to=exp.DataType.build(kind.sql, dialect="duckdb"))


def wrap(node: exp.Expr, make: Callable[[exp.Expr], exp.Expr]) -> None:
    """Puts in the place of `node` what `make` makes of it, which may hold the node itself.

    Nodes are moved, never copied: what is deferred for a node inside still finds it in the tree.
    """
    place = exp.Null()
    node.replace(place)
    place.replace(make(node))


def outermost(node: exp.Expr) -> exp.Expr:
    """An aggregate with the FILTER and the OVER that belong to it."""
    while isinstance(node.parent, exp.Filter | exp.Window) and node.parent.this is node:
        node = node.parent
    return node
