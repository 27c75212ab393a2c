"""Where the ranking of the strategies turns: costs over a range of one input, and where two of them cross."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import combinations, pairwise

from services.cost_analysis.model.logical import logical, logical_tiers
from services.cost_analysis.model.managed import managed
from services.cost_analysis.model.physical import physical
from services.cost_analysis.model.scenario import Scenario
from services.costs.prices import PriceMissing

LOGICAL, TIERS, PHYSICAL, MANAGED = "logical dumps", "dumps in GFS tiers", "base backups and WAL", "RDS backups"
Cost = Callable[[Scenario], Decimal | None]
STRATEGIES: Mapping[str, Cost] = {
    LOGICAL: lambda scenario: logical(scenario).usd_monthly,
    TIERS: lambda scenario: logical_tiers(scenario).usd_monthly,
    PHYSICAL: lambda scenario: physical(scenario).usd_monthly,
    MANAGED: lambda scenario: None if managed(scenario).warnings else managed(scenario).usd_monthly,
}
_STEPS = 60  # points of a curve
_HALVINGS = 40  # of the bracket around a crossing: far below what is shown
_NEARLY = Decimal("1.001")  # a bisection ends beside the crossing, not on it
Vary = Callable[[Scenario, Decimal], Scenario]


@dataclass(frozen=True)
class Axis:
    """An input that is varied from `low` to `high` in even steps of its logarithm, rounded where it is `whole`."""

    name: str
    unit: str
    low: Decimal
    high: Decimal
    vary: Vary
    whole: bool = False

    def values(self) -> list[Decimal]:
        """The points of a curve."""
        span = (self.high / self.low).ln()
        inner = [self.low * (span * step / _STEPS).exp() for step in range(1, _STEPS)]
        if self.whole:
            inner = [value.to_integral_value() for value in inner]
        return list(dict.fromkeys([self.low, *inner, self.high]))


@dataclass(frozen=True)
class Crossing:
    """Up to `at` one strategy is the cheaper of two, from there on the other. `lowest`: and the cheapest of all."""

    cheaper_before: str
    cheaper_after: str
    at: Decimal
    usd: Decimal
    lowest: bool


@dataclass(frozen=True)
class Sweep:
    """The strategies' dollars a month along an axis, None where one is not offered, and where they cross."""

    axis: Axis
    values: Sequence[Decimal]
    usd: Mapping[str, Sequence[Decimal | None]]
    crossings: Sequence[Crossing]


def _by_figures(**shares: Decimal) -> Vary:
    def vary(scenario: Scenario, value: Decimal) -> Scenario:
        figures = scenario.figures
        return replace(
            scenario, figures=figures.with_values(**{name: figures[name] * value * by for name, by in shares.items()})
        )

    return vary


def axes(scenario: Scenario) -> list[Axis]:
    """Size, change, retention, compressibility, and the share of the files that a dump leaves out (indexes, bloat)."""
    base = scenario.figures["base_ratio"]
    same = dict.fromkeys(("base_ratio", "dump_ratio", "incremental_ratio", "wal_ratio", "idle_segment_bytes"), 1 / base)
    return [
        Axis("size of the database", "GB", Decimal(1), Decimal(10_000), _with_size),
        Axis("daily change", "%", Decimal("0.1"), Decimal(50), _with_change),
        Axis("retention", "days", Decimal(1), Decimal(365), _with_retention, whole=True),
        Axis(
            "base backup compressed to", "% of the data files", Decimal(5), Decimal(100), _percent(_by_figures(**same))
        ),
        Axis("dump beside a base backup", "% of its size", Decimal(10), Decimal(200), _percent(_dump_beside_base)),
    ]


def _percent(vary: Vary) -> Vary:
    return lambda scenario, value: vary(scenario, value / 100)


def _dump_beside_base(scenario: Scenario, share: Decimal) -> Scenario:
    figures = scenario.figures
    return replace(scenario, figures=figures.with_values(dump_ratio=figures["base_ratio"] * share))


def _with_size(scenario: Scenario, value: Decimal) -> Scenario:
    return replace(scenario, database_bytes=int(value * 10**9))


def _with_change(scenario: Scenario, value: Decimal) -> Scenario:
    return replace(scenario, daily_change=value / 100)


def _with_retention(scenario: Scenario, value: Decimal) -> Scenario:
    return replace(scenario, keep_days=round(value))


def sweep(scenario: Scenario, axis: Axis) -> Sweep:
    """The strategies along an axis; those that have no price in the region are left out."""
    values = axis.values()
    costs = {name: cost for name, cost in STRATEGIES.items() if _priced(cost, scenario)}
    usd = {name: [cost(axis.vary(scenario, value)) for value in values] for name, cost in costs.items()}
    crossings = [
        crossing
        for first, second in combinations(costs, 2)
        for crossing in _crossings(scenario, axis, values, (first, second), usd)
    ]
    return Sweep(axis, values, usd, sorted(crossings, key=lambda crossing: crossing.at))


def _priced(cost: Cost, scenario: Scenario) -> bool:
    try:
        cost(scenario)
    except PriceMissing:
        return False
    return True


def _crossings(
    scenario: Scenario,
    axis: Axis,
    values: Sequence[Decimal],
    names: tuple[str, str],
    usd: Mapping[str, Sequence[Decimal | None]],
) -> list[Crossing]:
    first, second = names

    def difference(value: Decimal) -> Decimal:
        varied = axis.vary(scenario, value)
        return (STRATEGIES[first](varied) or Decimal(0)) - (STRATEGIES[second](varied) or Decimal(0))

    found = []
    offered = [
        (value, one - other)
        for value, one, other in zip(values, usd[first], usd[second], strict=True)
        if one is not None and other is not None
    ]
    for (low, before), (high, after) in pairwise(offered):
        if (before < 0) != (after < 0):
            at = _bisect(difference, low, high, rising=after > before)
            at = at.to_integral_value(ROUND_CEILING) if axis.whole else at
            cheap, dear = (first, second) if before < 0 else (second, first)
            found.append(_crossing(axis.vary(scenario, at), usd, cheap, dear, at))
    return found


def _crossing(there: Scenario, names: Iterable[str], before: str, after: str, at: Decimal) -> Crossing:
    all_usd = {name: STRATEGIES[name](there) for name in names}
    offered = [usd for usd in all_usd.values() if usd is not None]
    here = all_usd[after] or Decimal(0)
    return Crossing(before, after, at, here, lowest=here <= min(offered) * _NEARLY)


def _bisect(difference: Callable[[Decimal], Decimal], low: Decimal, high: Decimal, *, rising: bool) -> Decimal:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (difference(middle) < 0) == rising:
            low = middle
        else:
            high = middle
    return high
