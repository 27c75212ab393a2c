"""The section on where the ranking turns: a chart and a table for each input."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.cost_analysis.model.turning import Crossing, Sweep, axes, sweep
from services.cost_analysis.report.charts import Mark, line_chart
from services.cost_analysis.report.inputs import Inputs
from services.cost_analysis.report.text import figure, table, usd

_TITLES = {
    "size": "Does the size of the database matter?",
    "change": "How much changes in a day?",
    "retention": "How long are backups kept?",
    "compression": "How well do the data compress?",
    "dump-share": "How small is a dump beside the files?",
}


def sweeps(inputs: Inputs) -> dict[str, Sweep]:
    """The strategies' costs along each input, by a short name of it."""
    return {name: sweep(inputs.centre, axis) for name, axis in zip(_TITLES, axes(inputs.centre), strict=True)}


def turning_values(found: dict[str, Sweep], charts: str) -> dict[str, str]:
    """A chart and the crossings for each input, and the cheapest strategies in words."""
    values = {
        f"turn_{name}": f"![{_TITLES[name]}]({charts}/{name}.svg)\n\n{_crossings(sweep)}"
        for name, sweep in found.items()
    }
    words = [f"- {sweep.axis.name}: {'; '.join(_stretches(sweep))}." for sweep in found.values()]
    return {**values, "turning_words": "\n".join(words)}


def turning_charts(found: dict[str, Sweep]) -> dict[str, str]:
    """The charts by their file names."""
    return {f"{name}.svg": _chart(sweep, _TITLES[name]) for name, sweep in found.items()}


def _stretches(sweep: Sweep) -> list[str]:
    """'dumps in GFS tiers up to 8 GB', 'base backups and WAL beyond'."""
    cheapest = [_cheapest(sweep, number) for number in range(len(sweep.values))]
    ends = {(found.cheaper_before, found.cheaper_after): found.at for found in sweep.crossings if found.lowest}
    stretches = []
    for number, name in enumerate(cheapest[:-1]):
        following = cheapest[number + 1]
        if following != name:
            at = ends.get((name, following), sweep.values[number + 1])
            stretches.append(f"{name} up to {_short(at)} {sweep.axis.unit}")
    return [*stretches, f"{cheapest[-1]} {'beyond' if stretches else 'everywhere'}"]


def _cheapest(sweep: Sweep, number: int) -> str:
    offered: Sequence[tuple[str, Decimal | None]] = [(name, usd[number]) for name, usd in sweep.usd.items()]
    return min((cost, name) for name, cost in offered if cost is not None)[1]


def _chart(sweep: Sweep, title: str) -> str:
    marks = [Mark(found.at, found.usd, _short(found.at)) for found in sweep.crossings if found.lowest]
    return line_chart(title, f"{sweep.axis.name}, {sweep.axis.unit}", "USD a month", sweep.values, sweep.usd, marks)


def _crossings(sweep: Sweep) -> str:
    if not sweep.crossings:
        low, high = _short(sweep.values[0]), _short(sweep.values[-1])
        return f"No two strategies cross between {low} and {high} {sweep.axis.unit}."
    rows = [_row(crossing, sweep.axis.unit) for crossing in sweep.crossings]
    return table(["at", "cheaper before", "cheaper from there", "both cost about"], rows, left=3)


def _row(crossing: Crossing, unit: str) -> list[str]:
    at = f"{_short(crossing.at)} {unit}"
    return [f"**{at}**" if crossing.lowest else at, crossing.cheaper_before, crossing.cheaper_after, usd(crossing.usd)]


def _short(value: Decimal) -> str:
    return figure(Decimal(f"{value:.3g}"))
