"""Resolves the names of a guarded query: which columns each scan reads, and the type of every expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from services.errors import QueryRefused
from services.queries.catalog import TableSchema
from services.queries.guard import GuardedQuery, Selection
from services.queries.guard.statement import DIALECT, TextSpan, understood

SCAN = "scan_{}"
_PLACE = re.compile(r"\. Line: \d+, Col: \d+")  # the end of a word in the query as it was rewritten
_HIDDEN = {"$path", "$bucket", "$partition", "$file_size", "$file_modified_time"}


class NameUnknown(QueryRefused):
    """A column or function cannot be resolved as Athena would."""

    next_step = "Correct the name; `shoreline tables` shows the tables and their columns."


class HiddenColumn(QueryRefused):
    """The query names a column that Athena has and no table declares, such as "$path"."""

    next_step = "Leave it out; `shoreline query --explain` shows the partitions that are read."


@dataclass(frozen=True)
class CheckedQuery:
    """A query over one relation per scan, named scan_0, scan_1 and so on in the order of the selections."""

    guarded: GuardedQuery
    tree: exp.Query  # qualified and typed
    needed: exp.Query  # the same without outputs and CTEs that nothing in it reads
    columns: tuple[tuple[str, ...], ...]  # the stored columns that each scan of `needed` reads

    @property
    def sql(self) -> str:
        """The query as it was written."""
        return self.guarded.sql

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The partitions that each scan selects."""
        return self.guarded.selections

    @property
    def tables(self) -> dict[str, TableSchema]:
        """The table of each relation."""
        return {SCAN.format(number): chosen.scan.table for number, chosen in enumerate(self.selections)}


@understood("resolved")
def resolve(guarded: GuardedQuery) -> CheckedQuery:
    """Resolve names as Athena does.

    Raises NameUnknown for a name that is not there or ambiguous, and HiddenColumn for "$path" and its like.
    """
    isolated = _balance(_isolate(guarded))
    _refuse_hidden(isolated)
    tables = [selection.scan.table for selection in guarded.selections]
    schema = MappingSchema(
        {SCAN.format(number): _types(table) for number, table in enumerate(tables)}, dialect=DIALECT, normalize=False
    )
    try:
        # Athena does not know a SELECT's own aliases in its WHERE and GROUP BY, which sqlglot would expand.
        tree = qualify(isolated, dialect=DIALECT, schema=schema, expand_alias_refs=False, quote_identifiers=True)
        _qualify_having(tree)
        _require_names(tree)
        needed = pushdown_projections(_without_exists_outputs(tree.copy()))
        annotated = annotate_types(tree, schema=schema, dialect=DIALECT)
    except SqlglotError as error:
        raise NameUnknown(_reason(error, guarded)) from None
    return CheckedQuery(guarded, annotated, needed, _columns(needed, tables))


def _types(table: TableSchema) -> dict[str, object]:
    return {
        **{name: exp.DataType.build(kind, dialect="hive") for name, kind in table.columns.items()},
        **{key.name: exp.DataType.build("int") for key in table.keys},
    }


def _isolate(guarded: GuardedQuery) -> exp.Query:
    """A copy of the query in which each scan reads a relation of its own, under the name that it had."""
    tree = guarded.tree.copy()
    for column in tree.find_all(exp.Column):
        if column.db:
            column.set("db", None)
            column.set("catalog", None)
    for table in list(tree.find_all(exp.Table)):
        number = table.meta.get("scan")
        if number is None:
            continue
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        schema = guarded.selections[number].scan.table
        table.meta["table"] = schema.name
        table.meta["columns"] = tuple(_names(table, schema))
        table.set("this", exp.to_identifier(SCAN.format(number)))
        table.set("db", None)
        table.set("catalog", None)
    return tree


def _balance(tree: exp.Query) -> exp.Query:
    """The query with its chains of AND and of OR as balanced trees, which mean the same.

    As they are parsed, each condition is one level deeper than the one before it, and every look at what is around a
    column climbs all of them: 3,000 conditions took seconds.
    """
    chains = [node for node in tree.find_all(exp.And, exp.Or) if type(node.parent) is not type(node)]
    for chain in chains:
        place = exp.Null()
        chain.replace(place)
        place.replace(_joined(type(chain), list(chain.flatten(unnest=False))))
    return tree


def _joined(kind: type[exp.Expr], parts: Sequence[exp.Expr]) -> exp.Expr:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return kind(this=_joined(kind, parts[:middle]), expression=_joined(kind, parts[middle:]))


def _refuse_hidden(tree: exp.Query) -> None:
    """Raises HiddenColumn for a column that only Athena itself could give."""
    named = [column for column in tree.find_all(exp.Column) if column.name.lower() in _HIDDEN]
    if not named:
        return
    given = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    given |= {column.name.lower() for alias in tree.find_all(exp.TableAlias) for column in alias.columns}
    for column in named:
        if column.name.lower() not in given:
            span = TextSpan(column.this)
            raise HiddenColumn(
                f'"{column.name}" (line {span.line}, column {span.column}) is a hidden column of Athena\'s: '
                "which files rows are in is not answered here."
            )


def _require_names(tree: exp.Query) -> None:
    """Raises NameUnknown where * stands for columns that have no names."""
    if any(select.is_star for select in tree.find_all(exp.Select)):
        raise NameUnknown(
            "The query cannot be resolved: * stands for columns that have no names.",
            next_step="Name them where they come from, such as UNNEST(...) AS t(value), or select columns by name.",
        )


def _qualify_having(tree: exp.Query) -> None:
    """Names the tables of HAVING's columns, which sqlglot leaves open because they might be outputs of the SELECT;
    to Athena they never are."""
    for scope in traverse_scope(tree):
        having = scope.expression.args.get("having")
        for column in list(having.find_all(exp.Column)) if having else []:
            if column.table:
                continue
            holders = [alias for alias, source in scope.sources.items() if column.name in _given(source)]
            if len(holders) == 1:
                column.set("table", exp.to_identifier(holders[0], quoted=True))


def _given(source: exp.Table | Scope) -> set[str]:
    """The columns that a source of a SELECT gives."""
    if isinstance(source, Scope):
        inner = source.expression
        return set(inner.named_selects if isinstance(inner, exp.Query) else inner.alias_column_names)
    return set(source.meta.get("columns", ()))


def _without_exists_outputs(tree: exp.Query) -> exp.Query:
    """EXISTS asks only whether there is a row: what its SELECT names is not read."""
    for exists in tree.find_all(exp.Exists):
        inner = exists.this.unnest() if isinstance(exists.this, exp.Subquery) else exists.this
        if isinstance(inner, exp.Select) and not any(inner.args.get(part) for part in ("group", "having", "distinct")):
            inner.set("expressions", [exp.alias_(exp.Literal.number(1), "one")])
    return tree


def _columns(tree: exp.Query, tables: Sequence[TableSchema]) -> tuple[tuple[str, ...], ...]:
    """The stored columns that each scan reads, in its table's order."""
    read = {SCAN.format(number): (table, set[str]()) for number, table in enumerate(tables)}
    for scope in traverse_scope(tree):
        for alias, source in scope.sources.items():
            if not isinstance(source, exp.Table) or source.name not in read:
                continue
            table, found = read[source.name]
            names = _names(source, table)
            found |= {names.get(column.name, "") for column in scope.columns if column.table == alias}
    return tuple(tuple(name for name in table.columns if name in found) for table, found in read.values())


def _names(source: exp.Table, table: TableSchema) -> dict[str, str]:
    """The table's columns by what the query calls them: `t(a, b)` renames the first two."""
    alias = source.args.get("alias")
    renamed = [column.name for column in alias.columns] if alias else []
    return dict(zip(renamed or table.names, table.names, strict=False))


def _reason(error: SqlglotError, guarded: GuardedQuery) -> str:
    text = _PLACE.sub("", str(error).split("\n")[0]).rstrip(".")
    for number, selection in enumerate(guarded.selections):
        text = text.replace(SCAN.format(number), selection.scan.table.name)
    return f"The query cannot be resolved: {text[:1].lower()}{text[1:]}."
