"""The results as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.harness.results import CaseResult, GrowthResult, Measured, Ratio, Verdict, faster
from services import formatting


def work(case: CaseResult) -> str:
    """How much a run of the case does: '870 MB', '3,000,000 rows'."""
    return formatting.size(case.amount) if case.unit == "bytes" else f"{case.amount:,} {case.unit}"


def ratio(found: Ratio) -> str:
    """'5.1 × (4.8 to 5.4)'."""
    return f"{number(found.middle)} × ({number(found.low)} to {number(found.high)})"


def number(value: float) -> str:
    """Two or three figures, whatever the size."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def value(verdict: Verdict) -> str:
    """A promise's number in its unit."""
    if verdict.unit == "seconds":
        return formatting.seconds(verdict.value)
    if verdict.unit == "bytes":
        return formatting.size(round(verdict.value))
    return number(verdict.value) + (" times" if verdict.unit == "times" else "")


def timed(found: Measured | None) -> str:
    """A contender's time and name."""
    return "" if found is None else f"{formatting.seconds(found.median)}  {found.name}"


def show(cases: Sequence[CaseResult], growths: Sequence[GrowthResult], console: Console) -> None:
    """Prints the cases, the promises and the growths."""
    if cases:
        console.print(_cases(cases))
    for case in cases:
        for verdict in case.verdicts:
            mark = {True: "[green]kept[/]", False: "[red]NOT kept[/]", None: "[dim]not held at this size[/]"}
            console.print(f"  {case.name}: {verdict.text}: {value(verdict)}, {mark[verdict.kept]}")
        for name, why in case.left_out.items():
            console.print(f"  {case.name}: [yellow]left out[/]: {name}: {why}", markup=True)
    if growths:
        console.print(_growths(growths))


def _cases(cases: Sequence[CaseResult]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("what", "work", "ours", "best peer", "as fast as it", "limit", "of the limit", "memory"):
        table.add_column(column)
    for case in cases:
        best, bound = case.best_peer, case.limit
        table.add_row(
            case.title,
            work(case),
            formatting.seconds(case.ours.median),
            timed(best),
            "" if best is None else ratio(faster(case.ours, best)),
            timed(bound),
            "" if bound is None else f"{bound.median / case.ours.median:.0%}",
            formatting.size(case.ours.peak),
        )
    return table


def _growths(growths: Sequence[GrowthResult]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("growth", "time", "memory", "time grows as", "memory grows as"):
        table.add_column(column)
    for growth in growths:
        table.add_row(
            growth.title,
            " → ".join(formatting.seconds(point.seconds) for point in growth.points),
            " → ".join(formatting.size(point.peak_bytes) for point in growth.points),
            grows(growth.time_power, growth.time_kept),
            grows(growth.memory_power, growth.memory_kept),
        )
    return table


def grows(power: float, kept: bool) -> str:
    """'work^0.97', and whether that is within the bound."""
    return f"work^{power:.2f}" + ("" if kept else " [red]too fast[/]")
