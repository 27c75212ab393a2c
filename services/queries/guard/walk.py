"""Walks a query, with its subqueries, CTEs and views, and finds every scan of a lake table in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from services.errors import QueryRefused
from services.queries.catalog import DATA_CATALOG, LakeCatalog, TableSchema
from services.queries.guard.scans import (
    Block,
    Columns,
    Cte,
    ScanSource,
    TableScan,
    outputs,
    queries_in,
    read_in_base,
    renamed,
)
from services.queries.guard.statement import DIALECT, TextSpan, parse


class NotInTheLake(QueryRefused):
    """The query reads something that is no table or view of the lake."""


def find_scans(tree: exp.Query, text: str, catalog: LakeCatalog) -> list[TableScan]:
    """The scans of `tree` in reading order; views are put in place in the tree, as the subqueries they are.

    Each scan's table node carries its number in the list as meta 'scan'. Raises NotInTheLake for a name the catalog
    does not hold, and QueryRefused for a construct that is not understood: what cannot be checked does not run.
    """
    walk = _Walk(catalog, text)
    walk.query(tree, {}, "")
    missed = next((node for node in tree.find_all(exp.Table) if id(node) not in walk.seen), None)
    if missed is not None:
        raise QueryRefused(
            f"The query reads {missed.sql(DIALECT)} in a way that is not understood.",
            next_step="Write it as a plain FROM, JOIN or subquery.",
        )
    _count(walk.ctes, walk.scans)
    for view, body in walk.views:
        view.replace(exp.Subquery(this=body, alias=exp.TableAlias(this=exp.to_identifier(view.alias_or_name))))
    for number, scan in enumerate(walk.scans):
        scan.node.meta["scan"] = number
    return walk.scans


def _count(ctes: Sequence[Cte], scans: Sequence[TableScan]) -> None:
    """Counts how often each CTE is run; `ctes` are in the order in which they end, so that readers come later.

    Raises QueryRefused for a recursive one that reads a table: Athena plans it again for every step.
    """
    for cte in reversed(ctes):
        cte.times = sum(reader.times if reader else 1 for reader in cte.readers if reader is not cte)
    reading = {scan.cte: scan.table.name for scan in scans}
    for cte in ctes:
        if cte not in reading:
            continue
        if cte.recursive:
            raise QueryRefused(
                f"The recursive CTE {cte.name} reads {reading[cte]}: Athena scans it again at every step, "
                "so its scan cannot be predicted.",
                next_step="Join the table to the recursion's result instead, or write the steps out.",
            )
        reading |= {reader: reading[cte] for reader in cte.readers if reader not in reading}


class _Walk:
    def __init__(self, catalog: LakeCatalog, text: str) -> None:
        self.catalog = catalog
        self.text = text
        self.scans: list[TableScan] = []
        self.seen: set[int] = set()
        self.views: list[tuple[exp.Table, exp.Query]] = []
        self.ctes: list[Cte] = []
        self.inside: Cte | None = None
        self.unfinished: list[Cte] = []
        self.opened: list[str] = []

    def query(self, node: exp.Expr, known: Mapping[str, Cte], place: str) -> Columns:
        """Walks one query; `known` are the CTEs in scope. Gives its output's columns, None when not known."""
        scope = dict(known)
        with_ = node.args.get("with_")
        recursive = bool(with_ and with_.args.get("recursive"))
        for cte in with_.expressions if with_ else []:
            self.cte(cte, scope, place, recursive=recursive)
        if isinstance(node, exp.Select):
            return self.select(node, scope, place)
        if isinstance(node, exp.SetOperation):
            columns = self.query(node.left, scope, place)
            self.query(node.right, scope, _within(place, f"{node.key.upper()} branch"))
            self.nested(node, scope, place, skip=("this", "expression", "with_"))
            return columns
        if isinstance(node, exp.Subquery) and not node.args.get("joins"):
            columns = self.query(node.this, scope, place)
            self.nested(node, scope, place, skip=("this", "with_"))
            return columns
        self.nested(node, scope, place, skip=("with_",))
        return None

    def cte(self, node: exp.CTE, scope: dict[str, Cte], place: str, *, recursive: bool) -> None:
        """Walks one CTE and adds it to the scope; only a recursive one knows itself."""
        name, around = node.alias.lower(), self.inside
        renamed = [column.name.lower() for column in node.args["alias"].columns]
        cte = Cte(node.alias, dict.fromkeys(renamed) if renamed else None)
        known = {**scope, name: cte} if recursive else scope
        self.inside = cte
        self.unfinished.append(cte)
        columns = self.query(node.this, known, _within(place, f"CTE {node.alias}"))
        self.unfinished.pop()
        self.inside = around
        if read := read_in_base(node, cte):
            span = TextSpan(read.this)
            raise QueryRefused(
                f"The recursive CTE {node.alias} reads itself in its base (line {span.line}, column {span.column}), "
                "which has no rows to begin with.",
                next_step=f"Begin with a SELECT that does not read {node.alias}, then UNION ALL the one that does.",
            )
        cte.columns = cte.columns or columns
        self.ctes.append(cte)
        scope[name] = cte

    def select(self, node: exp.Select, scope: Mapping[str, Cte], place: str) -> Columns:
        block = Block(node)
        first = len(self.scans)
        from_ = node.args.get("from_")
        if from_:
            block.sources += self.relation(from_.this, scope, place, block)
        self.joins(node, block.sources, scope, place, block, first)
        for lateral in node.args.get("laterals") or []:
            block.sources += self.relation(lateral, scope, place, block)
        if node.args.get("match"):
            block.sources = [self.matched(node.args["match"], block, self.scans[first:])]
        self.nested(node, scope, place, skip=("from_", "joins", "laterals", "with_"))
        return outputs(node, block)

    def matched(self, node: exp.MatchRecognize, block: Block, scans: Sequence[TableScan]) -> ScanSource:
        """What MATCH_RECOGNIZE gives. It reads its rows before WHERE, which therefore holds back no scan under it."""
        beside = next((scan for scan in scans if scan.block is block), None)
        if beside is not None:
            raise QueryRefused(
                f"MATCH_RECOGNIZE reads {beside.table.name} whole: WHERE is applied to what was matched.",
                next_step="Match over a subquery that has the partition filter in its own WHERE.",
            )
        return ScanSource(node.alias.lower(), None, None)

    def joins(
        self, node: exp.Expr, sources: list[ScanSource], scope: Mapping[str, Cte], place: str, block: Block, first: int
    ) -> None:
        """Adds what the joins of `node` bring in, and marks the scans that an outer join may replace by NULLs."""
        for join in node.args.get("joins") or []:
            before = len(self.scans)
            sources += self.relation(join.this, scope, place, block)
            side = (join.side or "").upper()
            if side in ("RIGHT", "FULL"):
                self.mark_nullable(self.scans[first:before], block)
            if side in ("LEFT", "FULL"):
                self.mark_nullable(self.scans[before:], block)
            self.nested(join, scope, place, skip=("this",))

    def mark_nullable(self, scans: list[TableScan], block: Block) -> None:
        for scan in scans:
            if scan.block is block:
                scan.nullable = True

    def relation(self, node: exp.Expr, scope: Mapping[str, Cte], place: str, block: Block) -> list[ScanSource]:
        """The sources of one item of FROM: several for joins in parentheses."""
        first = len(self.scans)
        if isinstance(node, exp.Table):
            sources = [self.table(node, scope, place, block)]
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            sources = self.relation(node.this, scope, place, block)
        elif isinstance(node, exp.Subquery | exp.Lateral):
            inside = _within(place, f"subquery {node.alias}".rstrip())
            columns = self.derived(node, scope, inside)
            sources = [ScanSource(node.alias.lower(), None, renamed(node, columns))]
        else:
            self.nested(node, scope, place)
            sources = [ScanSource(node.alias.lower(), None, renamed(node, None))]
        self.joins(node, sources, scope, place, block, first)
        if isinstance(node, exp.Subquery) and node.alias and len(sources) == 1:
            return [ScanSource(node.alias.lower(), None, renamed(node, sources[0].columns))]
        if isinstance(node, exp.Subquery) and node.alias:
            return [ScanSource(node.alias.lower(), None, None)]
        return sources

    def derived(self, node: exp.Expr, scope: Mapping[str, Cte], place: str) -> Columns:
        inner = node.this
        if isinstance(inner, exp.Subquery) and isinstance(node, exp.Lateral):
            inner = inner.this
        self.nested(node, scope, place, skip=("this", "joins"))
        return self.query(inner, scope, place)

    def table(self, node: exp.Table, scope: Mapping[str, Cte], place: str, block: Block) -> ScanSource:
        self.seen.add(id(node))
        called, name = node.alias_or_name.lower(), node.name.lower()
        if not isinstance(node.this, exp.Identifier) or node.args.get("pivots"):
            raise NotInTheLake(
                f"{node.sql(DIALECT)} is not a table of the lake.", next_step=f"The lake has {self.catalog.known()}."
            )
        self.nested(node, scope, place, skip=("this", "db", "catalog", "alias", "joins"))
        if not node.db and name in scope:
            scope[name].readers.append(self.inside)
            if scope[name] in self.unfinished:
                scope[name].own.append(node)
            return ScanSource(called, None, renamed(node, scope[name].columns))
        if node.catalog.lower() in ("", DATA_CATALOG) and node.db.lower() in ("", self.catalog.database.lower()):
            if name in self.catalog.views:
                return self.view(node, place)
            if name in self.catalog.tables:
                return self.scan(node, self.catalog.tables[name], place, block)
        span = TextSpan(node.this)
        raise NotInTheLake(
            f"Unknown table {node.sql(DIALECT)} in {self.catalog.database} (line {span.line}, column {span.column}).",
            next_step=f"The lake has {self.catalog.known()}.",
        )

    def scan(self, node: exp.Table, table: TableSchema, place: str, block: Block) -> ScanSource:
        called = node.alias_or_name.lower()
        scan = TableScan(table, node.alias_or_name, node, place, self.text, self.inside)
        scan.block = block
        self.scans.append(scan)
        database = None if node.alias else self.catalog.database.lower()
        return ScanSource(called, database, renamed(node, {name: (scan, name) for name in table.names}))

    def view(self, node: exp.Table, place: str) -> ScanSource:
        name = node.name.lower()
        if name in self.opened:
            raise NotInTheLake(f"The view {name} reads itself.", next_step="Correct the view's definition.")
        body, outer_text = parse(self.catalog.views[name]), self.text
        self.opened.append(name)
        self.text = self.catalog.views[name]
        columns = self.query(body, {}, _within(place, f"view {name}"))
        self.text = outer_text
        self.opened.pop()
        self.views.append((node, body))
        return ScanSource(node.alias_or_name.lower(), None, renamed(node, columns))

    def nested(self, node: exp.Expr, scope: Mapping[str, Cte], place: str, skip: tuple[str, ...] = ()) -> None:
        """Walks the queries inside the other clauses of `node`."""
        for query in queries_in(node, skip):
            self.query(query, scope, _within(place, _clause(query)))


def _clause(query: exp.Expr) -> str:
    for ancestor, words in ((exp.Exists, "EXISTS"), (exp.In, "IN")):
        found = query.parent if not isinstance(query.parent, exp.Subquery) else query.parent.parent
        if isinstance(found, ancestor):
            return words
    return "subquery"


def _within(place: str, inner: str) -> str:
    return f"{place}, {inner}" if place else inner
