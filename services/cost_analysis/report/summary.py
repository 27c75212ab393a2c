"""The strategies side by side, for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from services.cost_analysis.model.lines import Strategy, total
from services.cost_analysis.model.logical import logical
from services.cost_analysis.report.inputs import Inputs, size_name
from services.cost_analysis.report.strategies import MAIN, Make, strategy_or_reason


@dataclass(frozen=True)
class SummaryRow:
    """A strategy for one size: dollars a month, dollars of a restore inside the region, seconds lost and needed.

    None where a price is missing, which the note names.
    """

    size: str
    strategy: str
    usd_monthly: Decimal | None
    usd_restore: Decimal | None
    rpo_seconds: Decimal | None
    rto_seconds: Decimal | None
    note: str = ""


@dataclass(frozen=True)
class CostSummary:
    """All rows, and what some choice makes a strategy cost."""

    rows: tuple[SummaryRow, ...]
    warnings: tuple[str, ...]


def summarise(inputs: Inputs, storage_class: str) -> CostSummary:
    """The strategies for each size, the daily dumps in the class that was asked for."""
    first = next(iter(MAIN))
    strategies: dict[str, Make] = {**MAIN, first: partial(logical, storage_class=storage_class)}
    rows: list[SummaryRow] = []
    warnings: list[str] = []
    for scenario, size in zip(inputs.scenarios(), inputs.sizes, strict=True):
        for name, make in strategies.items():
            found = strategy_or_reason(make, scenario)
            rows.append(_row(size_name(size), name, found))
            if isinstance(found, Strategy):
                warnings += found.warnings
    return CostSummary(tuple(rows), tuple(dict.fromkeys(warnings)))


def _row(size: str, name: str, found: Strategy | str) -> SummaryRow:
    if isinstance(found, str):
        return SummaryRow(size, name, None, None, None, None, found)
    restore = total(found.restore)
    return SummaryRow(size, found.name, found.usd_monthly, restore, found.rpo_seconds, found.rto_seconds)
