"""A resolved query in DuckDB's SQL, with the types of its answer.

The rules of each kind of expression stand in the modules that are imported here to register them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from services.queries.catalog import TableSchema
from services.queries.guard.statement import understood
from services.queries.offline import aggregates, arithmetic, casts, functions, operators, times  # noqa: F401
from services.queries.offline.arity import check_arity
from services.queries.offline.context import Context
from services.queries.offline.refusals import not_offline, refuses
from services.queries.offline.types import INTEGER, INTERVAL, TIMESTAMP, UTC_COLUMN, Type, common, of_athena
from services.queries.resolve import CheckedQuery

Columns = Mapping[str, Type]
_OF_A_TABLE = frozenset({"this", "alias", "joins"})
_UNNAMED = re.compile(r"_col_(\d+)")
_CLAUSES = frozenset(
    "with_ expressions from_ joins laterals where group having order limit offset distinct kind".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Translated:
    """The query for DuckDB, and the names and types of the columns of its answer."""

    sql: str
    columns: tuple[tuple[str, Type], ...]


@understood("translated for the offline engine")
def translate(query: CheckedQuery) -> Translated:
    """The query as DuckDB answers it like Athena.

    Raises AthenaRefuses for what Athena would refuse, and NotAnsweredOffline for what DuckDB may answer otherwise.
    """
    for text in dict.fromkeys((query.sql, *(chosen.scan.text for chosen in query.selections))):
        check_arity(text)
    whole, needed = query.tree.copy(), query.needed.copy()
    # Athena refuses what is wrong anywhere. What runs is what it reads: DuckDB would scan more for outputs unread.
    outputs = _Queries(query.tables).query(whole, {}, [])
    _Queries(query.tables).query(needed, {}, [])
    for name, kind in outputs:
        if kind == INTERVAL:
            raise not_offline(whole, f"an interval, such as {name}, has no type of an answer")
    names = _names(query.guarded.tree, [name for name, _ in outputs])
    kinds = [kind for _, kind in outputs]
    return Translated(needed.sql("duckdb", comments=False), tuple(zip(names, kinds, strict=True)))


def _names(tree: exp.Expr, resolved: Sequence[str]) -> list[str]:
    """Athena's names of the answer's columns: `_col0` and on where the query gives none."""
    while isinstance(tree, exp.Subquery | exp.SetOperation):
        tree = tree.this
    items = tree.expressions if isinstance(tree, exp.Select) else []
    if len(items) == len(resolved) and not any(item.is_star for item in items):
        named = [isinstance(item, exp.Alias | exp.Column) for item in items]
        return [name if keeps else f"_col{at}" for at, (name, keeps) in enumerate(zip(resolved, named, strict=True))]
    return [_UNNAMED.sub(r"_col\1", name) for name in resolved]


class _Queries:
    def __init__(self, scans: Mapping[str, TableSchema]) -> None:
        self._scans = {name: _scan_columns(table) for name, table in scans.items()}

    def query(
        self, node: exp.Expr, known: Mapping[str, Columns], outer: Sequence[Mapping[str, Columns]]
    ) -> list[tuple[str, Type]]:
        """The outputs of a query, which is mapped in place. `known` are the CTEs, `outer` the sources around it."""
        scope = dict(known)
        with_ = node.args.get("with_")
        if with_ is not None and with_.args.get("recursive"):
            raise not_offline(node, "WITH RECURSIVE is not mapped")
        for cte in with_.expressions if with_ else []:
            outputs = self.query(cte.this, scope, outer)
            # Athena runs a CTE again where it is read again, which counts as scanned; DuckDB would keep its rows.
            cte.set("materialized", False)
            scope[cte.alias] = _renamed(cte, outputs)
        if isinstance(node, exp.Select):
            return self._select(node, scope, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, scope, outer)
        if isinstance(node, exp.Subquery):
            outputs = self.query(node.this, scope, outer)
            self._ordered(node, {"": dict(outputs)}, scope, outer)
            return outputs
        raise not_offline(node, "this form of query is not mapped")

    def _set_operation(
        self, node: exp.SetOperation, scope: Mapping[str, Columns], outer: Sequence[Mapping[str, Columns]]
    ) -> list[tuple[str, Type]]:
        left, right = self.query(node.left, scope, outer), self.query(node.right, scope, outer)
        if node.args.get("by_name") or len(left) != len(right):
            raise refuses(node, f"its sides give {len(left)} and {len(right)} columns")
        outputs = []
        for (name, one), (_, other) in zip(left, right, strict=True):
            together = common(one, other)
            if together is None:
                raise refuses(node, f"its column {name} would be {one} and {other}")
            outputs.append((name, together))
        self._ordered(node, {"": dict(outputs)}, scope, outer)
        return outputs

    def _select(
        self, node: exp.Select, scope: Mapping[str, Columns], outer: Sequence[Mapping[str, Columns]]
    ) -> list[tuple[str, Type]]:
        unknown = [name for name, value in node.args.items() if value and name not in _CLAUSES]
        if unknown:
            raise not_offline(node, f"the clause {unknown[0].upper()} is not mapped")
        if node.args.get("distinct") and node.args["distinct"].args.get("on"):
            raise not_offline(node, "DISTINCT ON is not Athena's")
        sources: dict[str, Columns] = {}
        context = self._context(sources, scope, outer)
        from_ = node.args.get("from_")
        for item in [from_] if from_ else []:
            self._relation(item.this, sources, scope, outer, context)
        for join in [*(node.args.get("joins") or []), *(node.args.get("laterals") or [])]:
            self._join(join, sources, scope, outer, context)
        for clause in ("where", "having"):
            if node.args.get(clause):
                context.condition(node.args[clause].this)
        outputs = [(item.alias_or_name, context.of(item)) for item in list(node.expressions)]
        aggregates.group(node, context)
        context.finish()
        self._ordered(node, {**sources, "": dict(outputs)}, scope, outer)
        return outputs

    def _ordered(
        self,
        node: exp.Expr,
        sources: Mapping[str, Columns],
        scope: Mapping[str, Columns],
        outer: Sequence[Mapping[str, Columns]],
    ) -> None:
        context = self._context(sources, scope, outer)
        order = node.args.get("order")
        context.all(list(order.expressions) if order else [])
        context.finish()
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if isinstance(limit, exp.Fetch) and limit.args.get("limit_options"):
            options = limit.args["limit_options"]
            if options.args.get("with_ties") or options.args.get("percent"):
                raise not_offline(node, "FETCH FIRST WITH TIES is not mapped")
        for part in (limit, offset):
            amount = part.args.get("expression") or part.args.get("count") if part else None
            if amount is not None and not isinstance(amount, exp.Literal):
                raise not_offline(node, "LIMIT and OFFSET take a literal number")

    def _context(
        self,
        sources: Mapping[str, Columns],
        scope: Mapping[str, Columns],
        outer: Sequence[Mapping[str, Columns]],
    ) -> Context:
        around = [sources, *outer]

        def column(node: exp.Column) -> Type:
            for level in around:
                if node.table in level and node.name in level[node.table]:
                    return level[node.table][node.name]
            raise refuses(node, "the column cannot be resolved")

        def stored(node: exp.Column) -> str | None:
            name = UTC_COLUMN.format(node.name)
            found = next((level[node.table] for level in around if node.table in level), {})
            return name if name in found else None

        def query(node: exp.Expr) -> list[Type]:
            return [kind for _, kind in self.query(node, scope, around)]

        return Context(column, query, stored)

    def _join(
        self,
        join: exp.Expr,
        sources: dict[str, Columns],
        scope: Mapping[str, Columns],
        outer: Sequence[Mapping[str, Columns]],
        context: Context,
    ) -> None:
        if not isinstance(join, exp.Join):
            self._relation(join, sources, scope, outer, context)
            return
        if join.args.get("method") or join.kind.upper() not in ("", "INNER", "CROSS", "OUTER"):
            raise not_offline(join, f"a {join.args.get('method') or join.kind} join is not Athena's")
        self._relation(join.this, sources, scope, outer, context)
        if join.args.get("on"):
            context.condition(join.args["on"])

    def _relation(
        self,
        node: exp.Expr,
        sources: dict[str, Columns],
        scope: Mapping[str, Columns],
        outer: Sequence[Mapping[str, Columns]],
        context: Context,
    ) -> None:
        """Adds what one item of FROM brings in."""
        if node.args.get("sample"):
            raise not_offline(node, "a sample differs from one run to the next")
        if isinstance(node, exp.Table):
            unknown = [name for name, value in node.args.items() if value and name not in _OF_A_TABLE]
            if unknown:
                raise not_offline(node, f"{unknown[0].upper()} of a table is not mapped")
            columns = self._scans.get(node.name) or scope[node.name]
            sources[node.alias_or_name] = _renamed(node, list(columns.items()))
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            self._relation(node.this, sources, scope, outer, context)
        elif isinstance(node, exp.Subquery):
            sources[node.alias] = _renamed(node, self.query(node.this, scope, outer))
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            sources[node.alias] = _renamed(node, self.query(node.this.this, scope, [sources, *outer]))
        elif isinstance(node, exp.Values):
            sources[node.alias] = _renamed(node, _rows(node, context))
        else:
            raise not_offline(node, "this kind of source is not mapped")
        for join in node.args.get("joins") or []:
            self._join(join, sources, scope, outer, context)


def _scan_columns(table: TableSchema) -> Columns:
    stored = {name: of_athena(kind) for name, kind in table.columns.items()}
    in_utc = {UTC_COLUMN.format(name): kind for name, kind in stored.items() if kind == TIMESTAMP}
    return {**stored, **{key.name: INTEGER for key in table.keys}, **in_utc}


def _renamed(node: exp.Expr, outputs: Sequence[tuple[str, Type]]) -> Columns:
    alias = node.args.get("alias")
    names = [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    kinds = [kind for _, kind in outputs]
    return dict(zip(names or [name for name, _ in outputs], kinds, strict=False))


def _rows(node: exp.Values, context: Context) -> list[tuple[str, Type]]:
    rows = [list(row.expressions) if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    if len({len(row) for row in rows}) != 1:
        raise refuses(node, "its rows differ in length")
    columns = [context.together(node, parts) for parts in zip(*rows, strict=True)]
    return [(f"_col{at}", kind) for at, kind in enumerate(columns)]
