"""Proves, before a query runs, that each of its scans is held to some of its table's partitions."""

from services.queries.guard.partitions import Domain, PartitionSet
from services.queries.guard.rule import GuardedQuery, PartitionFilterMissing, Selection, check, judge

__all__ = ["Domain", "GuardedQuery", "PartitionFilterMissing", "PartitionSet", "Selection", "check", "judge"]
