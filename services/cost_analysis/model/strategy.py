"""What the model says about a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.cost_analysis.model.lines import CostLine, total


@dataclass(frozen=True)
class Strategy:
    """A strategy's costs and promises for one scenario.

    `monthly` are dollars a month; `restore` the dollars of one restore inside the region and
    `restore_out` to a machine outside of AWS; times in seconds. `warnings` name what a choice makes it cost.
    """

    name: str
    monthly: tuple[CostLine, ...]
    restore: tuple[CostLine, ...]
    restore_out: tuple[CostLine, ...]
    rpo_seconds: Decimal
    rto_seconds: Decimal
    restored_bytes: int
    stored_bytes: Decimal
    warnings: tuple[str, ...] = ()

    @property
    def usd_monthly(self) -> Decimal:
        """Dollars a month."""
        return total(self.monthly)

    @property
    def restore_mb_per_second(self) -> Decimal:
        """MB of the database for each second until it answers."""
        return Decimal(self.restored_bytes) / 10**6 / self.rto_seconds
