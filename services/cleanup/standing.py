"""What S3 bills for things as they lie, and what deleting them now costs besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from services.cleanup.listing import Entry
from services.costs.bill import Biller
from services.costs.prices import DAYS_A_MONTH, GB, StorageClass
from services.costs.usage import STANDARD

_SECONDS_A_MONTH = DAYS_A_MONTH * 86400


@dataclass
class Standing:
    """Sums over any number of versions; `classes` are S3's storage classes by S3's names.

    A class bills a minimum size, an overhead for each object and a minimum time: what is deleted before that is
    billed to its end all the same. Intelligent-Tiering is taken at its dearest tier, where each object begins; the
    parts of unfinished uploads as Standard.
    """

    classes: Mapping[str, StorageClass]
    billed: dict[str, int] = field(default_factory=dict)  # bytes by storage class
    owed: dict[str, int] = field(default_factory=dict)  # bytes times the seconds that are left of the minimum time
    unpriced: set[str] = field(default_factory=set)

    def add(self, entry: Entry, now: datetime) -> None:
        """Count a version; a delete marker has no bytes."""
        if entry.marker:
            return
        found = self.classes.get(entry.storage_class)
        if found is None:
            self.unpriced.add(entry.storage_class)
            return
        billed = max(entry.size, found.minimum_bytes) + found.archive_overhead_bytes
        self._count(self.billed, found.key, billed)
        self._count(self.billed, STANDARD, found.standard_overhead_bytes)
        left = found.minimum_days * 86400 - int((now - entry.modified).total_seconds())
        if left > 0 and found.minimum_days:
            self._count(self.owed, found.key, billed * left)

    def add_parts(self, size: int) -> None:
        """Count the parts of an unfinished upload."""
        self._count(self.billed, STANDARD, size)

    def monthly(self, biller: Biller) -> Decimal:
        """Dollars a month for all of it."""
        return sum((line.usd for line in biller.monthly(self.billed)), Decimal(0))

    def early_deletion(self, biller: Biller) -> Decimal:
        """Dollars that deleting all of it now costs: the rest of the classes' minimum times."""
        months = {name: Decimal(amount) / _SECONDS_A_MONTH / GB for name, amount in self.owed.items()}
        return sum((biller.line(f"s3.storage.{name}", amount).usd for name, amount in months.items()), Decimal(0))

    @staticmethod
    def _count(sums: dict[str, int], name: str, amount: int) -> None:
        if amount:
            sums[name] = sums.get(name, 0) + amount
