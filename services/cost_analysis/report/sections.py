"""The parts on the figures, the recommendation and this project's own run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from services import formatting
from services.cost_analysis.model.figures import Kind
from services.cost_analysis.model.logical import logical, logical_tiers
from services.cost_analysis.model.managed import managed
from services.cost_analysis.model.physical import physical
from services.cost_analysis.model.scenario import Scenario
from services.cost_analysis.report.inputs import Inputs, size_name
from services.cost_analysis.report.text import duration, figure, table, usd
from services.costs.prices import PriceMissing

_INCREMENTAL = ("incremental_plain_bytes", "incremental_stored_bytes")
OWN_RUN = Path(__file__).with_name("own_run.md")


def figures_table(inputs: Inputs) -> str:
    """Every figure with its unit and how it is known, the measured ones first."""
    order = [Kind.GIVEN, Kind.MEASURED, Kind.SOURCED, Kind.ASSUMED]
    rows = []
    for known in sorted(inputs.figures, key=lambda known: (order.index(known.kind), known.name)):
        stated = f", {known.stated}" if known.stated else ""
        source = f"[{known.known_from}]({known.url})" if known.url else known.known_from
        rows.append([f"`{known.name}`", figure(known.value), known.unit, f"**{known.kind.value}**: {source}{stated}"])
    return table(["figure", "value", "unit", "known how"], rows, left=1).replace(
        "| ---: | ---: | ---: |", "| ---: | --- | --- |"
    )


def measured_table(run: Mapping[str, Any]) -> str:
    """What one run of the two strategies measured: seconds, and bytes before and after compression."""
    dump, base, wal = run["logical"], run["physical"], run["wal"]
    changed = formatting.size(wal["before_incremental_changed_bytes"])
    load = f"{wal['transactions']:,} transactions, of which the first half changed {changed} of pages"
    full = [formatting.size(wal["segments"] * wal["segment_bytes"]), formatting.size(wal["stored_bytes"])]
    rows = [
        ["pg_dump", *_stored(dump, "backup_seconds", "plain_bytes", "stored_bytes")],
        ["restore with psql, compared equal", f"{dump['restore_seconds']:,} s", "", ""],
        ["pg_basebackup, full", *_stored(base, "backup_seconds", "plain_bytes", "stored_bytes")],
        ["pg_basebackup, incremental", *_stored(base, "incremental_seconds", *_INCREMENTAL)],
        [f"write load with pgbench: {load}", f"{wal['seconds']:,} s", f"{formatting.size(wal['bytes'])} of WAL", ""],
        [f"{wal['segments']} full segments of it", "", *full],
        ["recovery to a point in time, compared equal", f"{base['restore_seconds']:,} s", "", ""],
        ["of which replay of WAL", f"{base['replay_seconds']:,} s", formatting.size(base["replay_bytes"]), ""],
    ]
    return table(["measured", "time", "bytes", "compressed"], rows)


def _stored(run: Mapping[str, Any], seconds: str, plain: str, stored: str) -> list[str]:
    return [f"{run[seconds]:,} s", formatting.size(run[plain]), formatting.size(run[stored])]


def by_size(inputs: Inputs) -> str:
    """What to choose for each size, with the costs and the times beside it."""
    return "\n".join(f"- {_advice(scenario)}" for scenario in inputs.scenarios())


def _advice(scenario: Scenario) -> str:
    """Dumps for as long as one comes back within a time that a business can stand still."""
    dumps, base = logical(scenario), physical(scenario)
    hours = dumps.rto_seconds / 3600
    if hours <= 1:
        choice = "dumps will do"
    elif hours <= 8:
        choice = "dumps will do where a restore of hours will, base backups and WAL where it will not"
    else:
        choice = "base backups and WAL: a dump this large is restored after the working day is over"
    more = dumps.usd_monthly - base.usd_monthly
    compared = f"{usd(abs(more))} a month {'more' if more > 0 else 'less'} than base backups and WAL"
    size = size_name(scenario.database_bytes)
    return (
        f"**{size}:** {choice}. Dumps come back in {duration(dumps.rto_seconds)} (base backups in "
        f"{duration(base.rto_seconds)}) and cost {usd(dumps.usd_monthly)}, {compared}. {_cheapest(scenario)}"
    )


def _cheapest(scenario: Scenario) -> str:
    found = []
    for make in (logical, logical_tiers, physical, managed):
        with suppress(PriceMissing):
            found.append(make(scenario))
    cheapest = min(found, key=lambda strategy: strategy.usd_monthly)
    return f"The cheapest is {cheapest.name}, {usd(cheapest.usd_monthly)}."


def _nano(amount: Decimal | str) -> str:
    return f"${Decimal(amount):.9f}"


def _plural(unit: str) -> str:
    return f"{unit}s" if unit == "request" else unit


def own_run(demo: Mapping[str, Any] | None) -> str:
    """What `make demo` would cost on AWS, from its steps and its receipt."""
    if demo is None:
        return "\n"
    receipt = demo["receipt"]
    total = sum((Decimal(step["usd"]) for step in demo["result"]["steps"]), Decimal(0))
    queries = total - Decimal(receipt["usd"])
    free = Decimal(receipt["usd_free_tier"]) / total
    steps = [[step["job"], step["done"], _nano(step["usd"])] for step in demo["result"]["steps"]]
    lines = [
        [line["what"], f"{figure(Decimal(line['amount']))} {_plural(line['unit'])}", _nano(line["usd"])]
        for line in receipt["lines"]
    ]
    lines.append(["Athena, had it answered the queries", "at least 10 MB billed a query", _nano(queries)])
    left = formatting.count(receipt["objects_left"], "object")
    return OWN_RUN.read_text(encoding="utf-8").format(
        steps=table(["job", "what it did", "would cost"], steps, left=2),
        lines=table(["usage", "amount", "dollars"], lines, left=1),
        total=_nano(total),
        runs=figure(Decimal(f"{Decimal('0.005') / total:.2g}")),
        left=f"{left}, ${Decimal(receipt['usd_monthly_left_behind']):.2f} a month",
        free=f"{free:.0%}",
    )
