"""docs/benchmarks.md and its charts, written from a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from string import Template

from benchmarks.harness.case import Role
from benchmarks.harness.record import Record
from benchmarks.harness.results import CaseResult, GrowthResult, Measured, Verdict, faster
from benchmarks.harness.table import number, ratio, value, work
from benchmarks.harness.world import PATIENCE, ROUNDS, Size
from services import formatting
from services.cost_analysis.report.charts import bar_chart, line_chart

_TEMPLATE = Path(__file__).with_name("page.md")
_CHARTS = "charts/benchmarks"
_COLOURS = {Role.OURS: 1, Role.PEER: 0, Role.LIMIT: 2, Role.CONTEXT: 3}


def written(record: Record, name: str, titles: Mapping[str, str], larger: Record | None = None) -> dict[str, str]:
    """The page and its charts, by their path below docs/. `titles` are the rooms' headings, by room, in order.

    `larger` is a record of the large size, of which only the summary is shown.
    """
    size: Size = record.size  # type: ignore[assignment]
    by_room = {room: [case for case in record.cases if case.room == room] for room in titles}
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        machine=_machine(record),
        rounds=ROUNDS[size],
        patience=formatting.seconds(PATIENCE[size]),
        record=f"benchmarks/results/{name}",
        summary=_summary([case for cases in by_room.values() for case in cases]),
        larger=_larger(larger),
        rooms="\n\n".join(_room(titles[room], cases) for room, cases in by_room.items() if cases),
        growths=_growths(record.growths),
        versions=_versions(record),
    )
    files = {"benchmarks.md": page}
    for case in record.cases:
        files[_case_chart(case)] = _bars(case)
    for growth in record.growths:
        files[_growth_chart(growth)] = _lines(growth)
    return files


def _machine(record: Record) -> str:
    found = record.machine
    load = (
        ""
        if record.load is None
        else f" The load average was at most {record.load:.2f} as a run began, the room before it included."
    )
    return (
        f"The figures below were taken on {record.taken_on} at the {record.size} size on one machine:"
        f" {found['cores']} cores, {found['memory_gb']} GB, {found['system']}, Python {found['python']}.{load}"
    )


def _larger(record: Record | None) -> str:
    if record is None:
        return ""
    promises = [f"- {case.title}: {_verdict(verdict)}" for case in record.cases for verdict in case.verdicts]
    parts = [f"At the large size, taken on {record.taken_on}:", _summary(record.cases), "\n".join(promises)]
    return "\n" + "\n\n".join(parts) + "\n"


def _summary(cases: Sequence[CaseResult]) -> str:
    rows = []
    for case in cases:
        best, bound = case.best_peer, case.limit
        rows.append(
            (
                case.title,
                work(case),
                formatting.seconds(case.ours.median),
                "" if best is None else f"{formatting.seconds(best.median)}, {best.name}",
                "" if best is None else ratio(faster(case.ours, best)),
                "" if bound is None else f"{formatting.seconds(bound.median)}, {bound.name}",
                "" if bound is None else f"{bound.median / case.ours.median:.0%}",
                formatting.size(case.ours.peak),
            )
        )
    return _table(
        ("what", "work", "ours", "best peer", "ours is as fast", "limit", "ours of the limit", "peak memory"), rows
    )


def _room(title: str, cases: Sequence[CaseResult]) -> str:
    return "\n\n".join([f"## {title}", *map(_case, cases)])


def _case(case: CaseResult) -> str:
    parts = [f"### {case.title}", f"{work(case)}. {case.note}".strip(), f"![{case.title}]({_case_chart(case)})"]
    rows = [_contender(case, found) for found in sorted(case.contenders, key=lambda found: found.median)]
    parts.append(_table(("", "time", "spread", "runs", "peak memory", "ours is as fast"), rows))
    if case.verdicts:
        parts.append("\n".join(f"- {_verdict(verdict)}" for verdict in case.verdicts))
    parts += [
        f"Left out, as it did not run here: {name} ({why.splitlines()[0]})." for name, why in case.left_out.items()
    ]
    return "\n\n".join(parts)


def _contender(case: CaseResult, found: Measured) -> tuple[str, ...]:
    spread = f"{formatting.seconds(min(found.seconds))} to {formatting.seconds(max(found.seconds))}"
    name = f"**{found.name}**" if found.role == Role.OURS else f"{found.name}{_role(found.role)}"
    compared = "" if found.role == Role.OURS else ratio(faster(case.ours, found))
    return (
        name,
        formatting.seconds(found.median),
        spread if len(found.seconds) > 1 else "",
        str(len(found.seconds)),
        formatting.size(found.peak),
        compared,
    )


def _role(role: Role) -> str:
    return {Role.LIMIT: " (limit)", Role.CONTEXT: " (for context)"}.get(role, "")


def _verdict(verdict: Verdict) -> str:
    said = {True: "kept", False: "**not kept**", None: "not held at this size"}[verdict.kept]
    return f"Promised: {verdict.text}. Measured: {value(verdict)}, {said}. {verdict.why}".strip()


def _growths(growths: Iterable[GrowthResult]) -> str:
    parts = []
    for growth in growths:
        rows = [
            (f"{point.amount:,} {growth.unit}", formatting.seconds(point.seconds), formatting.size(point.peak_bytes))
            for point in growth.points
        ]
        kept = {True: "within the bound", False: "**beyond the bound**"}
        said = (
            f"Time grows as work^{growth.time_power:.2f}, {kept[growth.time_kept]};"
            f" memory as work^{growth.memory_power:.2f}, {kept[growth.memory_kept]}. {growth.note}"
        )
        parts += [
            f"### {growth.title}",
            f"![{growth.title}]({_growth_chart(growth)})",
            _table(("", "time", "peak memory"), rows),
            said.strip(),
        ]
    return "\n\n".join(parts)


def _versions(record: Record) -> str:
    own = ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))
    grouped = groupby(sorted(requirement for listed in record.peers.values() for requirement in listed))
    peers = ", ".join(f"`{requirement}`" for requirement, _ in grouped)
    return f"Ours: {own}.\n\nPeers: {peers}."


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _case_chart(case: CaseResult) -> str:
    return f"{_CHARTS}/{case.room}-{case.name}.svg"


def _growth_chart(growth: GrowthResult) -> str:
    return f"{_CHARTS}/{growth.room}-{growth.name}.svg"


def _bars(case: CaseResult) -> str:
    bars = [
        (f"{found.name}{_role(found.role)}", Decimal(str(found.median)), _COLOURS[found.role])
        for found in sorted(case.contenders, key=lambda found: found.median)
    ]
    return bar_chart(case.title, "seconds, median (logarithmic axis)", bars, lambda at: formatting.seconds(float(at)))


def _lines(growth: GrowthResult) -> str:
    first = growth.points[0]
    at = [Decimal(point.amount) for point in growth.points]
    series = {
        "time": [Decimal(str(point.seconds / first.seconds)) for point in growth.points],
        "memory": [Decimal(str(point.peak_bytes / first.peak_bytes)) for point in growth.points],
        "in step with the work": [amount / at[0] for amount in at],
    }
    return line_chart(
        growth.title, growth.unit, "times the first", at, series, shown=lambda times: f"{number(float(times))} ×"
    )
