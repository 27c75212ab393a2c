"""Proves, before a query runs, that each of its scans is held to some of its table's partitions."""

from services.queries.guard.partitions import Domain, PartitionSet
from services.queries.guard.rule import CheckedQuery, PartitionFilterMissing, Selection, check, judge

__all__ = ["CheckedQuery", "Domain", "PartitionFilterMissing", "PartitionSet", "Selection", "check", "judge"]
