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
        f"turn_{name}": f"![{_TITLES[name]}]({charts}/{name}.svg)\n\n{_crossings(made)}" for name, made in found.items()
    }
    words = [f"- {made.axis.name}: {'; '.join(_stretches(made))}." for made in found.values()]
    return {**values, "turning_words": "\n".join(words)}


def turning_charts(found: dict[str, Sweep]) -> dict[str, str]:
    """The charts by their file names."""
    return {f"{name}.svg": _chart(made, _TITLES[name]) for name, made in found.items()}


def _stretches(made: Sweep) -> list[str]:
    """'dumps in GFS tiers up to 8 GB', 'base backups and WAL beyond'."""
    cheapest = [_cheapest(made, number) for number in range(len(made.values))]
    ends = {(found.cheaper_before, found.cheaper_after): found.at for found in made.crossings if found.lowest}
    told = []
    for number, name in enumerate(cheapest[:-1]):
        following = cheapest[number + 1]
        if following != name:
            at = ends.get((name, following), made.values[number + 1])
            told.append(f"{name} up to {_short(at)} {made.axis.unit}")
    return [*told, f"{cheapest[-1]} {'beyond' if told else 'everywhere'}"]


def _cheapest(made: Sweep, number: int) -> str:
    offered: Sequence[tuple[str, Decimal | None]] = [(name, usd[number]) for name, usd in made.usd.items()]
    return min((cost, name) for name, cost in offered if cost is not None)[1]


def _chart(made: Sweep, title: str) -> str:
    marks = [Mark(found.at, found.usd, _short(found.at)) for found in made.crossings if found.lowest]
    return line_chart(title, f"{made.axis.name}, {made.axis.unit}", "USD a month", made.values, made.usd, marks)


def _crossings(made: Sweep) -> str:
    if not made.crossings:
        low, high = _short(made.values[0]), _short(made.values[-1])
        return f"No two strategies cross between {low} and {high} {made.axis.unit}."
    rows = [_row(crossing, made.axis.unit) for crossing in made.crossings]
    return table(["at", "cheaper before", "cheaper from there", "both cost about"], rows, left=3)


def _row(crossing: Crossing, unit: str) -> list[str]:
    at = f"{_short(crossing.at)} {unit}"
    return [f"**{at}**" if crossing.lowest else at, crossing.cheaper_before, crossing.cheaper_after, usd(crossing.usd)]


def _short(value: Decimal) -> str:
    return figure(Decimal(f"{value:.3g}"))
