"""The sections on the three strategies: monthly costs line by line, storage classes, restores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from services import formatting
from services.cost_analysis.model.lines import CostLine, Strategy, total
from services.cost_analysis.model.logical import logical, logical_tiers
from services.cost_analysis.model.managed import database_on_rds, managed
from services.cost_analysis.model.physical import physical, segments_a_day
from services.cost_analysis.model.scenario import Scenario
from services.cost_analysis.report.charts import bar_chart
from services.cost_analysis.report.inputs import Inputs, size_name
from services.cost_analysis.report.text import duration, figure, table, usd
from services.costs.bill import STANDARD
from services.costs.prices import DAYS_A_MONTH, GB, PriceMissing

Make = Callable[[Scenario], Strategy]
MAIN: dict[str, Make] = {
    "Logical dumps, a day": logical,
    "Logical dumps, GFS tiers": logical_tiers,
    "Base backups and WAL": physical,
    "RDS automated backups": managed,
}


def strategy_or_reason(make: Make, scenario: Scenario) -> Strategy | str:
    """The strategy, or the words that say which price is missing."""
    try:
        return make(scenario)
    except PriceMissing as error:
        return str(error)


def strategies_values(inputs: Inputs) -> dict[str, str]:
    """The texts of the strategies' sections, by their place in the template."""
    scenarios = inputs.scenarios()
    sizes = [size_name(size) for size in inputs.sizes]
    return {
        "summary_table": _summary(scenarios, sizes),
        "logical_lines": _lines(logical, scenarios, sizes),
        "physical_lines": _lines(physical, scenarios, sizes),
        "managed_lines": _lines(managed, scenarios, sizes),
        "class_table": _classes(inputs, scenarios, sizes),
        "class_warnings": _warnings(inputs),
        "tier_table": _tiers(inputs, scenarios, sizes),
        "kms": _kms(scenarios),
        "restore_table": _restores(scenarios, sizes),
        "archives_wait": _waits(inputs),
        "rds_database": _database(scenarios, sizes),
        **_idle(inputs.centre),
    }


def monthly_chart(inputs: Inputs) -> str:
    """Bars of the dollars a month: each size, each strategy that has a price."""
    bars = []
    for scenario, size in zip(inputs.scenarios(), inputs.sizes, strict=True):
        for colour, (name, make) in enumerate(MAIN.items()):
            strategy = strategy_or_reason(make, scenario)
            if isinstance(strategy, Strategy):
                bars.append((f"{size_name(size)}: {name}", strategy.usd_monthly, colour))
    return bar_chart(f"Dollars a month for backups, {inputs.region}", "USD a month", bars)


def _summary(scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    rows = []
    for scenario, size in zip(scenarios, sizes, strict=True):
        for name, make in MAIN.items():
            strategy = strategy_or_reason(make, scenario)
            if isinstance(strategy, str):
                rows.append([size, name, strategy, "", "", "", ""])
                continue
            promises = [duration(strategy.rpo_seconds), duration(strategy.rto_seconds)]
            speed = f"{figure(strategy.restore_mb_per_second)} MB/s"
            costs = [usd(strategy.usd_monthly), usd(total(strategy.restore))]
            rows.append([size, name, costs[0], costs[1], *promises, speed])
    headings = ["database", "strategy", "a month", "one restore", "lost at most", "restored in", "restore speed"]
    return table(headings, rows, left=2)


def _lines(make: Make, scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    """A row for each line of the bill, a column for each size."""
    strategies = [strategy_or_reason(make, scenario) for scenario in scenarios]
    known = [strategy for strategy in strategies if isinstance(strategy, Strategy)]
    if len(known) < len(strategies):
        return next(strategy for strategy in strategies if isinstance(strategy, str))
    names = list(dict.fromkeys(line.what for strategy in known for line in strategy.monthly))
    rows = [[name, *(_cell(strategy.monthly, name) for strategy in known)] for name in names]
    rows.append(["**a month**", *(f"**{usd(strategy.usd_monthly)}**" for strategy in known)])
    rows.append(["stored", *(_gb(strategy.stored_bytes) for strategy in known)])
    return table(["", *sizes], rows)


def _cell(lines: Sequence[CostLine], name: str) -> str:
    for line in lines:
        if line.what == name:
            return f"{usd(line.usd)} ({figure(line.amount)} {_unit(line)})"
    return "-"


def _unit(line: CostLine) -> str:
    return f"{line.unit}s" if line.unit in {"request", "object-month"} else line.unit.removesuffix("-month")


def _gb(size: Decimal) -> str:
    return f"{figure(size / GB)} GB"


def _classes(inputs: Inputs, scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    rows = []
    for key, kind in inputs.prices.classes.items():
        strategies = [strategy_or_reason(partial(logical, storage_class=key), scenario) for scenario in scenarios]
        cells = [usd(found.usd_monthly) if isinstance(found, Strategy) else "no price" for found in strategies]
        largest = strategies[-1]
        restore = usd(total(largest.restore)) if isinstance(largest, Strategy) else "no price"
        minimum = f"{kind.minimum_days} days" if kind.minimum_days else "-"
        rows.append([kind.name, minimum, *cells, restore])
    return table(["storage class", "bills at least", *sizes, f"one restore, {sizes[-1]}"], rows, left=2)


def _warnings(inputs: Inputs) -> str:
    found = []
    for key in inputs.prices.classes:
        strategy = strategy_or_reason(partial(logical, storage_class=key), inputs.centre)
        if isinstance(strategy, Strategy):
            found += [f"- {warning}" for warning in strategy.warnings]
    if not found:
        return "At this retention no class's minimum costs anything."
    return f"For {size_name(inputs.centre.database_bytes)}:\n\n" + "\n".join(found)


def _tiers(inputs: Inputs, scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    rows = []
    for key in (STANDARD, "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
        strategies = [strategy_or_reason(partial(logical_tiers, monthly_class=key), scenario) for scenario in scenarios]
        cells = [usd(found.usd_monthly) if isinstance(found, Strategy) else "no price" for found in strategies]
        rows.append([inputs.prices.classes[key].name, *cells])
    return table(["monthly dumps in", *sizes], rows)


def _kms(scenarios: Sequence[Scenario]) -> str:
    added = []
    for scenario in scenarios:
        for make in (logical, physical):
            try:
                added.append(make(scenario, kms=True).usd_monthly - make(scenario).usd_monthly)
            except PriceMissing as error:
                return f"an unknown amount ({error})"
    return f"{usd(min(added))} to {usd(max(added))}"


def _restores(scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    rows = []
    for scenario, size in zip(scenarios, sizes, strict=True):
        for name, make in {**MAIN, "Logical dumps, Deep Archive": _deep}.items():
            strategy = strategy_or_reason(make, scenario)
            if isinstance(strategy, str):
                rows.append([size, name, strategy, "", "", "", ""])
                continue
            costs = [usd(total(strategy.restore)), usd(total(strategy.restore_out))]
            speed = f"{figure(strategy.restore_mb_per_second)} MB/s"
            rows.append([size, name, *costs, duration(strategy.rpo_seconds), duration(strategy.rto_seconds), speed])
    headings = ["database", "strategy", "inside the region", "out to the internet", "RPO", "RTO", "speed"]
    return table(headings, rows, left=2)


def _deep(scenario: Scenario) -> Strategy:
    return logical(scenario, "DEEP_ARCHIVE")


def _waits(inputs: Inputs) -> str:
    waits = [kind for kind in inputs.prices.classes.values() if kind.restore_hours]
    archives = " and ".join(f"{kind.name} up to {kind.restore_hours} hours" for kind in waits)
    return f"An archive has to be requested first: {archives}."


def _database(scenarios: Sequence[Scenario], sizes: Sequence[str]) -> str:
    try:
        costs = [usd(database_on_rds(scenario)) for scenario in scenarios]
    except PriceMissing as error:
        return str(error)
    costs_by_size = ", ".join(f"{cost} a month for {size}" for cost, size in zip(costs, sizes, strict=True))
    return f"on the smallest instance compared, db.t4g.medium with gp3: {costs_by_size}"


def _idle(scenario: Scenario) -> dict[str, str]:
    figures = scenario.figures
    closed = 86400 / figures["archive_timeout"] * DAYS_A_MONTH
    raw = closed * figures["wal_segment_bytes"]
    kept = raw / DAYS_A_MONTH * scenario.keep_days / GB
    return {
        "idle_raw": _gb(raw),
        "idle_puts": figure(closed),
        "idle_stored": _gb(closed * figures["idle_segment_bytes"]),
        "idle_raw_usd": usd(scenario.prices.cost("s3.storage.STANDARD", scenario.region, kept)),
        "segments_a_day": formatting.count(int(segments_a_day(scenario)), "segment"),
    }
