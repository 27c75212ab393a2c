"""What a scan is: a place where a query reads a table of the lake, with the WHERE that is its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from services.queries.catalog import TableSchema

Origin = tuple["TableScan", str]
"""A column of a scan: the scan, and the column's name in the table."""

Columns = Mapping[str, None] | None
"""The columns that a query gives, by lower-case name; None when they are not known."""


@dataclass(eq=False)
class Cte:
    """A CTE: its columns, and the CTEs that read it, None for the query itself, once for each place.

    `own` are the places in its own text, CTEs and subqueries inside it included, that read it. Athena
    runs a CTE where it is read, as if it were written there: `times` in all, none where nothing reads it.
    """

    name: str
    columns: Columns
    readers: list[Cte | None] = field(default_factory=list)
    own: list[exp.Table] = field(default_factory=list)
    times: int = 0

    @property
    def recursive(self) -> bool:
        return bool(self.own)


@dataclass(eq=False)
class TableScan:
    """One place where a query reads a table of the lake.

    `name` is what the query calls it, `place` where it stands in words, `text` the query or the view it is written in.
    `nullable` says that an outer join may put a row of NULLs in its place, `cte` in which CTE it stands.
    """

    table: TableSchema
    name: str
    node: exp.Table
    place: str
    text: str
    cte: Cte | None = None
    nullable: bool = False
    block: Block = field(init=False, repr=False)

    @property
    def times(self) -> int:
        """How often Athena makes the scan: once for each place that reads the CTE it stands in."""
        return self.cte.times if self.cte else 1

    def key_of(self, column: exp.Column) -> str | None:
        """The partition key of this scan that a column of its own block is; None for any other column."""
        found = self.block.resolve(column)
        if len(found) != 1 or found[0] is None or found[0][0] is not self:
            return None
        name = found[0][1]
        return name if any(key.name == name for key in self.table.keys) else None


@dataclass(frozen=True)
class ScanSource:
    """What a FROM or JOIN brings in: its name, and where each of its columns comes from."""

    name: str
    database: str | None
    columns: Mapping[str, Origin | None] | None
    """By lower-case name; None as a whole when the columns are not known."""


@dataclass(eq=False)
class Block:
    """One SELECT: its sources and its clauses."""

    node: exp.Select
    sources: list[ScanSource] = field(default_factory=list)

    def resolve(self, column: exp.Column) -> list[Origin | None]:
        """What a column may be here: one origin when it is certain, several when ambiguous, none when it is not
        of this SELECT's own sources."""
        name, qualifier = column.name.lower(), column.table.lower()
        found: list[Origin | None] = []
        for source in self.sources:
            if qualifier and qualifier != source.name:
                continue
            if column.db and column.db.lower() != source.database:
                continue
            if source.columns is None:
                found.append(None)
            elif name in source.columns:
                found.append(source.columns[name])
        return found


def queries_in(node: exp.Expr, skip: tuple[str, ...]) -> Iterator[exp.Expr]:
    """The outermost queries under `node`, left to right, leaving out the arguments named in `skip`."""
    waiting = [child for name, value in reversed(node.args.items()) if name not in skip for child in _children(value)]
    while waiting:
        child = waiting.pop()
        if isinstance(child, exp.Query):
            yield child
        else:
            waiting += [deeper for value in reversed(child.args.values()) for deeper in _children(value)]


def _children(value: object) -> Iterator[exp.Expr]:
    """The expressions of one argument, last first, as a stack takes them."""
    values = reversed(value) if isinstance(value, list) else (value,)
    return (item for item in values if isinstance(item, exp.Expr))


def read_in_base(node: exp.CTE, cte: Cte) -> exp.Table | None:
    """Where the base of a recursive CTE reads it: the left side of its UNION, or all of it where there is none."""
    body = node.this.unnest()
    base = body.left if isinstance(body, exp.SetOperation) else body
    return next((table for table in base.find_all(exp.Table) if any(table is own for own in cte.own)), None)


def renamed(node: exp.Expr, columns: Mapping[str, Origin | None] | Columns) -> Mapping[str, Origin | None] | None:
    """The columns under the names that an alias such as `t(a, b)` gives them."""
    alias = node.args.get("alias")
    names = [column.name.lower() for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return columns
    origins = list(columns.values()) if columns is not None else [None] * len(names)
    return dict(zip(names, origins, strict=False))


def outputs(node: exp.Select, block: Block) -> Columns:
    """The names of a SELECT's columns; None when a star stands for columns that are not known."""
    names: dict[str, None] = {}
    for item in node.expressions:
        if item.is_star:
            qualifier = item.table.lower() if isinstance(item, exp.Column) else ""
            for source in block.sources:
                if qualifier and source.name != qualifier:
                    continue
                if source.columns is None:
                    return None
                names |= dict.fromkeys(source.columns)
        elif item.alias_or_name:
            names[item.alias_or_name.lower()] = None
    return names
