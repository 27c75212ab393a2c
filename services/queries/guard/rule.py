"""The rule itself: every scan of a lake table has a partition filter in the WHERE beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from services.errors import QueryRefused
from services.queries.catalog import LakeCatalog
from services.queries.guard.advice import filter_to_add, where_to_add
from services.queries.guard.partitions import Domain, PartitionSet
from services.queries.guard.predicate import evaluate
from services.queries.guard.reasons import reasons
from services.queries.guard.scans import TableScan
from services.queries.guard.statement import TextSpan, excerpt, parse, understood
from services.queries.guard.walk import find_scans


class PartitionFilterMissing(QueryRefused):
    """A scan would read every partition of its table."""

    next_step = "Add the filter to the SELECT that reads the table, as shown, and run again."


@dataclass(frozen=True)
class Selection:
    """What a scan's WHERE leaves of its table's possible partitions."""

    scan: TableScan
    partitions: PartitionSet

    @property
    def counts(self) -> bool:
        """Whether the filter excludes some possible partition."""
        return self.partitions.bits != self.partitions.domain.everything


@dataclass(frozen=True)
class GuardedQuery:
    """A parsed query, its views put in place, and what each of its scans selects.

    `tree` is the query; each scanned table node carries its number in `selections` as meta 'scan'.
    """

    sql: str
    tree: exp.Query
    selections: tuple[Selection, ...]

    @property
    def refused(self) -> tuple[Selection, ...]:
        """The scans without a partition filter that counts."""
        return tuple(selection for selection in self.selections if not selection.counts)


@understood("checked")
def judge(sql: str, catalog: LakeCatalog) -> GuardedQuery:
    """What each scan of the query selects, allowed or not.

    Raises QueryRefused where the text is not one SELECT over the catalog's tables and views.
    """
    tree = parse(sql)
    scans = find_scans(tree, sql, catalog)
    return GuardedQuery(sql, tree, tuple(Selection(scan, select(scan)) for scan in scans))


@understood("checked")
def check(sql: str, catalog: LakeCatalog) -> GuardedQuery:
    """`judge`, for a query that is about to run. Raises PartitionFilterMissing, which names each scan without a
    partition filter, its place, why what stands there does not count, and the filter to add."""
    guarded = judge(sql, catalog)
    if guarded.refused:
        raise PartitionFilterMissing(explain(guarded))
    return guarded


def check_existing(guarded: GuardedQuery, existing: Mapping[str, Collection[tuple[int, ...]]]) -> None:
    """Raises PartitionFilterMissing for a filter that excludes none of the partitions that there are.

    `existing` are those of each table. A filter that leaves less than half of the possible partitions counts all the
    same: `year = 2025` limits the scan, though the table may have rows of that year only.
    """
    for chosen in guarded.selections:
        there = existing.get(chosen.scan.table.name, ())
        domain = chosen.partitions.domain
        if len(there) < 2 or 2 * len(chosen.partitions) <= domain.size:
            continue
        if all(values in chosen.partitions for values in there):
            newest = max(there)
            keys = zip(domain.keys, newest, strict=True)
            condition = " AND ".join(f"{chosen.scan.name}.{key.name} = {value}" for key, value in keys)
            raise PartitionFilterMissing(
                f"The partition filter of {chosen.scan.name} excludes none of the {len(there):,} partitions that"
                f" exist, and would read the whole table.\n  {where_to_add(chosen.scan, condition)}"
            )


def select(scan: TableScan) -> PartitionSet:
    """The partitions that rows of the answer can come from, by the scan's own WHERE alone."""
    domain = Domain(scan.table.keys)
    where = scan.block.node.args.get("where")
    if where is None:
        return PartitionSet(domain, domain.everything)
    true = evaluate(where.this, domain, scan.key_of).true
    if scan.nullable and true & domain.absent:
        # The outer join's NULLs pass, so dropping partitions would turn matched rows into such NULLs.
        return PartitionSet(domain, domain.everything)
    return PartitionSet(domain, true & domain.everything)


def explain(guarded: GuardedQuery) -> str:
    """What is missing where, one paragraph a scan."""
    missing, all_ = len(guarded.refused), len(guarded.selections)
    head = (
        f"{missing} of the query's {all_} scans has" if missing == 1 else f"{missing} of the query's {all_} scans have"
    )
    if all_ == 1:
        head = "The query's scan has"
    allowed = [(chosen.scan, chosen.partitions) for chosen in guarded.selections if chosen.counts]
    paragraphs = (_paragraph(selection, allowed) for selection in guarded.refused)
    return "\n".join([f"{head} no partition filter, and would read the whole table.", *paragraphs])


def _paragraph(missing: Selection, allowed: Sequence[tuple[TableScan, PartitionSet]]) -> str:
    scan, domain = missing.scan, missing.partitions.domain
    span = TextSpan(scan.node.this)
    line = scan.text.splitlines()[span.line - 1]
    named = scan.table.name if scan.name.lower() == scan.table.name else f"{scan.table.name} AS {scan.name}"
    place = f" ({scan.place})" if scan.place else ""
    return "\n".join(
        [
            f"\n{named}, line {span.line}, column {span.column}{place}:",
            excerpt(line, span.line, span.column, span.width),
            *(f"  - {reason}" for reason in reasons(scan, domain)),
            f"  {where_to_add(scan, filter_to_add(scan, domain, allowed))}",
        ]
    )
