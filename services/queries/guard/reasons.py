"""Why what stands in a query is no partition filter, in a person's words."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from services.queries.guard.partitions import Domain
from services.queries.guard.predicate import columns_in, conjuncts, evaluate, integer
from services.queries.guard.scans import TableScan
from services.queries.guard.statement import DIALECT

_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Between,
)  # fmt: skip


def shown(node: exp.Expr, width: int = 70) -> str:
    """The expression as SQL, cut to `width`."""
    text = node.sql(DIALECT, comments=False)
    return f"`{text}`" if len(text) <= width else f"`{text[: width - 3]}...`"


def reasons(scan: TableScan, domain: Domain) -> list[str]:
    """What is wrong with each condition that may have been meant as this scan's partition filter."""
    where = scan.block.node.args.get("where")
    found = list(_in_where(where.this, scan, domain)) if where else ["its SELECT has no WHERE"]
    if where and not found:
        found = list(_under_its_own_name(where.this, scan, domain)) or [f"its WHERE does not mention {_listed(domain)}"]
    return list(dict.fromkeys([*found, *_elsewhere(scan, domain)]))


def _under_its_own_name(where: exp.Expr, scan: TableScan, domain: Domain) -> Iterator[str]:
    """The keys that are written with the table's name, which an alias hides."""
    for column in columns_in(where):
        if column.table.lower() == scan.table.name and _is_key_name(column, domain) and not scan.block.resolve(column):
            yield f"{shown(column)} is not known: {scan.table.name} is called {scan.name} here"


def _listed(domain: Domain) -> str:
    names = [key.name for key in domain.keys]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _in_where(where: exp.Expr, scan: TableScan, domain: Domain) -> Iterator[str]:
    for part in conjuncts(where):
        if not mentions_key(part, scan, domain):
            continue
        if isinstance(part, exp.Or):
            yield from _in_or(part, scan, domain)
        else:
            yield from _condition(part, scan, domain)


def _in_or(node: exp.Or, scan: TableScan, domain: Domain) -> Iterator[str]:
    excluding, faults = 0, list[str]()
    for branch in node.flatten():
        plain = branch.unnest()
        truth = evaluate(plain, domain, scan.key_of)
        if not domain.everything & ~truth.true:
            faults += _in_where(plain, scan, domain)
        elif scan.nullable and truth.true & domain.absent:
            faults += _condition(plain, scan, domain)
        else:
            excluding += 1
    yield from faults
    if excluding == len(list(node.flatten())):
        yield f"{shown(node)} excludes no possible partition: what one branch leaves out, another lets in"
    elif excluding:
        yield f"OR lets other partitions through in {shown(node)}: each branch needs a partition filter"


def _condition(node: exp.Expr, scan: TableScan, domain: Domain) -> Iterator[str]:
    truth = evaluate(node, domain, scan.key_of)
    if truth.true & domain.everything != domain.everything:
        if scan.nullable and truth.true & domain.absent:
            yield f"{shown(node)} also holds for the NULLs of the outer join, so it cannot be applied to the scan"
        return
    ambiguous = next((c for c in columns_in(node) if _is_key_name(c, domain) and len(scan.block.resolve(c)) > 1), None)
    if ambiguous is not None:
        yield f"{shown(node)}: {_which(ambiguous, scan)}"
        return
    yield f"{shown(node)} {_fault(node, scan, domain)}"


def _which(column: exp.Column, scan: TableScan) -> str:
    if column.table:
        return f"several tables are called {column.table}; give each a name of its own"
    return f"{column.name} may be a column of several tables; write {scan.name}.{column.name}"


def _fault(node: exp.Expr, scan: TableScan, domain: Domain) -> str:
    plain = node.this.unnest() if isinstance(node, exp.Not) else node
    if plain.find(exp.Case, exp.If):
        return "hides the key in a CASE"
    if isinstance(plain, _COMPARISONS):
        sides = [side.unnest() for side in _sides(plain)]
        bare = [side for side in sides if isinstance(side, exp.Column) and scan.key_of(side)]
        others = [side for side in sides if side not in bare and integer(side) is None]
        if len(bare) > 1:
            return "compares keys with each other, and not with a number"
        if bare and others:
            return _wrong_side(others[0])
        if not bare and any(_is_key_name(column, domain) for side in sides for column in columns_in(side)):
            return "hides the key in an expression: compare the bare key with integers"
    if mentions_key(plain, scan, domain) and evaluate(plain, domain, scan.key_of).null == _all(domain):
        return "does not compare the bare key with integers"
    ranges = ", ".join(f"{key.name} {key.first}..{key.last}" for key in domain.keys)
    return f"excludes no possible partition ({ranges})"


def _all(domain: Domain) -> int:
    return domain.everything | domain.absent


def _sides(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        query = node.args.get("query")
        return [node.this, *node.expressions, *([query] if query else [])]
    return [node.this, node.expression]


def _wrong_side(side: exp.Expr) -> str:
    if isinstance(side, exp.Literal) and side.is_string:
        return "compares an integer key with a string, which Athena refuses"
    number = side.this if isinstance(side, exp.Neg) else side
    if isinstance(number, exp.Literal) and not number.is_string:
        small = "not a 32-bit integer" if str(number.this).isdecimal() else "not an integer"
        return f"compares an integer key with {side.sql(DIALECT)}, which is {small}"
    if isinstance(side, exp.Cast):
        return f"compares an integer key with a value of type {side.to.sql(DIALECT).lower()}: write a plain integer"
    if isinstance(side, exp.Placeholder | exp.Parameter):
        return "compares the key with a parameter, which is not known before the query runs"
    if isinstance(side, exp.Query) or side.find(exp.Query):
        return "compares the key with a subquery, whose answer is not known before the query runs"
    if isinstance(side, exp.Column):
        return f"compares the key with the column {shown(side)}, and not with a number"
    return f"compares the key with the expression {shown(side)}: write the number"


def _elsewhere(scan: TableScan, domain: Domain) -> Iterator[str]:
    """Filters that stand where they do not reach the scan."""
    block = scan.block.node
    for join in block.find_all(exp.Join):
        condition = join.args.get("on")
        if condition and join.find_ancestor(exp.Select) is block and _filters(condition, scan, domain):
            if join.side:
                yield f"a filter in the ON of an outer join does not count ({shown(condition)})"
            else:
                yield f"a filter in ON does not count ({shown(condition)}): it belongs in WHERE"
        if any(name.name.lower() in {key.name for key in domain.keys} for name in join.args.get("using") or []):
            yield "USING merges the keys of both sides into an expression: join with ON, and filter each side"
    having = block.args.get("having")
    if having and mentions_key(having, scan, domain):
        yield f"HAVING is applied after the scan ({shown(having.this)})"
    outer = block.find_ancestor(exp.Select)
    while outer is not None:
        where = outer.args.get("where")
        if where and not _contains(where, block) and any(_is_key_name(c, domain) for c in columns_in(where)):
            yield f"the filter of an outer query does not count ({shown(where.this)}): it must stand beside the scan"
        outer = outer.find_ancestor(exp.Select)


def _filters(condition: exp.Expr, scan: TableScan, domain: Domain) -> bool:
    truth = evaluate(condition, domain, scan.key_of)
    return bool(domain.everything & ~truth.true)


def _contains(tree: exp.Expr, node: exp.Expr) -> bool:
    return any(found is node for found in tree.walk())


def _is_key_name(column: exp.Column, domain: Domain) -> bool:
    return domain.key(column.name.lower()) is not None


def mentions_key(node: exp.Expr, scan: TableScan, domain: Domain) -> bool:
    """Whether a condition names a key, as a column of this scan or of one that may be it."""
    return any(
        _is_key_name(column, domain) and column.table.lower() in ("", scan.name.lower()) for column in columns_in(node)
    )
