"""Proves, before a query runs, that each of its scans is held to some of its table's partitions."""

from services.queries.guard.partitions import Domain, PartitionSet
from services.queries.guard.rule import Judged, PartitionFilterMissing, Selection, check, judge

__all__ = ["Domain", "Judged", "PartitionFilterMissing", "PartitionSet", "Selection", "check", "judge"]
