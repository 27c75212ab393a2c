"""What backups and the lake cost on AWS: the project's own analysis, or one for a database of yours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.runner import Json, run_job, run_without_settings

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cli.context import Run
    from services.cost_analysis.report.inputs import Inputs
    from services.cost_analysis.report.summary import SummaryRow
    from services.errors import ShorelineError

DOCUMENT = Path("COST_ANALYSIS.md")
REGION, STORAGE_CLASS = "us-east-1", "STANDARD"

Size = Annotated[
    str | None, typer.Option("--size", metavar="SIZE", help="Size of the database, with its unit: 100GB, 1.5TB.")
]
DailyChange = Annotated[
    str | None, typer.Option("--daily-change", metavar="SHARE", help="Share of its pages that change per day: 2%.")
]
Keep = Annotated[str | None, typer.Option("--keep", metavar="DAYS", help="Days that backups are kept.")]
Region = Annotated[str, typer.Option("--region", metavar="REGION", help="The region whose prices are used.")]
StorageClass = Annotated[str, typer.Option("--storage-class", metavar="CLASS", help="S3 storage class of the dumps.")]
FromBackups = Annotated[
    bool, typer.Option("--from-backups", help="Take size, compression and growth from the bucket's manifests.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the whole analysis to FILE, its charts beside it."),
]
Check = Annotated[bool, typer.Option("--check", help="Only check whether the written analysis is up to date.")]


@dataclass(frozen=True)
class CostReport:
    """What it costs, what was written, and what is out of date."""

    region: str
    rows: tuple[SummaryRow, ...]
    warnings: tuple[str, ...]
    written: tuple[Path, ...]
    checked: Path | None
    stale: tuple[str, ...]
    basis: str


def command(
    ctx: typer.Context,
    size: Size = None,
    daily_change: DailyChange = None,
    keep: Keep = None,
    region: Region = REGION,
    storage_class: StorageClass = STORAGE_CLASS,
    from_backups: FromBackups = False,
    output: Output = None,
    check: Check = False,
    as_json: Json = False,
) -> None:
    """Compare the costs of three backup strategies, for your own database or in COST_ANALYSIS.md.

    Without options this writes COST_ANALYSIS.md and its charts for 10 GB, 100 GB and 1 TB; with any, it writes what
    --output names.
    """
    asked = _Asked(size, daily_change, keep, region, storage_class, output, check)
    if from_backups:
        run_job(ctx, "cost", lambda run: cost_from_backups(asked, run), show, as_json=as_json, verdict=verdict)
    else:
        run_without_settings(ctx, "cost", lambda: cost(asked), show, as_json=as_json, verdict=verdict)


@dataclass(frozen=True)
class _Asked:
    size: str | None = None
    daily_change: str | None = None
    keep: str | None = None
    region: str = REGION
    storage_class: str = STORAGE_CLASS
    output: Path | None = None
    check: bool = False


def cost(asked: _Asked) -> CostReport:
    """The costs of the sizes asked about, and the documents that were asked for."""
    from services.cost_analysis.report.inputs import SIZES, parse_size

    sizes = (parse_size(asked.size),) if asked.size else SIZES
    own = asked == _Asked(check=asked.check)
    inputs = _inputs(asked, sizes, own=own)
    basis = "this project's own measurements; --from-backups takes your backups' size and compression"
    return _report(inputs, asked, DOCUMENT if own else asked.output, basis)


def cost_from_backups(asked: _Asked, run: Run) -> CostReport:
    """The costs of the database whose backups the bucket holds, now and in a year if it grows on as it did."""
    from jobs.cli.repository import archive_of
    from jobs.preflight import require_caller
    from services.cost_analysis.model.history import history_of
    from services.cost_analysis.report.inputs import parse_size

    require_caller(run)
    run.storage.require()
    database = run.database.name
    taken = [backup.summary for backup in archive_of(run).catalog.read().of(database)]
    history = history_of(taken, database)
    sizes = (parse_size(asked.size),) if asked.size else history.sizes
    inputs = _inputs(asked, sizes, own=False, dump_ratio=history.dump_ratio)
    return _report(inputs, asked, asked.output, history.words)


def _inputs(asked: _Asked, sizes: tuple[int, ...], *, own: bool, dump_ratio: Decimal | None = None) -> Inputs:
    from services.cost_analysis.model.figures import load_figures
    from services.cost_analysis.report.inputs import Inputs, parse_days, parse_share, read_demo
    from services.costs.prices import load_prices

    prices = load_prices()
    prices.require_class(asked.storage_class, asked.region)
    figures = load_figures().with_values(
        daily_change=parse_share(asked.daily_change) if asked.daily_change else None,
        keep_days=parse_days(asked.keep) if asked.keep else None,
        dump_ratio=dump_ratio,
    )
    return Inputs(prices, figures, asked.region, sizes, read_demo() if own else None, _charts(asked))


def _charts(asked: _Asked) -> str:
    return "docs/charts" if asked.output is None else f"{asked.output.stem}-charts"


def _report(inputs: Inputs, asked: _Asked, document: Path | None, basis: str) -> CostReport:
    from services.cost_analysis.report.analysis import stale, write
    from services.cost_analysis.report.summary import summarise
    from services.errors import InputError

    if asked.check and document is None:
        raise InputError("--check looks at a written analysis: name it in --output, or give no other option.")
    summary = summarise(inputs, asked.storage_class)
    written: tuple[Path, ...] = ()
    differing: tuple[str, ...] = ()
    if document is not None and asked.check:
        differing = stale(inputs, document)
    elif document is not None:
        written = write(inputs, document)
    checked = document if asked.check else None
    return CostReport(inputs.region, summary.rows, summary.warnings, written, checked, differing, basis)


def verdict(report: CostReport) -> ShorelineError | None:
    """A written analysis that is not what it would be now."""
    from services.errors import CheckFailed

    if not report.stale:
        return None
    return CheckFailed(
        f"Not what `shoreline cost` would write: {', '.join(report.stale)}.", next_step="Run `make cost` and commit it."
    )


def show(report: CostReport, console: Console) -> str | None:
    """Prints a line for each size and strategy."""
    from jobs.cli.console import print_table
    from services.cost_analysis.report.text import duration, usd

    if report.checked is not None:
        if not report.stale:
            console.print(f"{report.checked} and its charts are what `shoreline cost` would write.", soft_wrap=True)
        return None
    rows = [
        [row.size, row.strategy, "-", "-", "-", "-"]
        if row.usd_monthly is None or row.usd_restore is None or row.rpo_seconds is None or row.rto_seconds is None
        else [
            row.size,
            row.strategy,
            usd(row.usd_monthly),
            usd(row.usd_restore),
            duration(row.rpo_seconds),
            duration(row.rto_seconds),
        ]
        for row in report.rows
    ]
    heads = ["database", "strategy", "monthly", "restore", "RPO", "RTO"]
    print_table(console, heads, rows, heads[2:])
    missing = dict.fromkeys(f"{row.strategy}: {row.note}" for row in report.rows if row.note)
    for warning in (*missing, *report.warnings):
        console.print(f"! {warning}", soft_wrap=True)
    console.print(f"List prices of {report.region}; speeds and ratios from {report.basis}.", soft_wrap=True)
    for path in report.written[:1]:
        console.print(f"Written: {path} and {len(report.written) - 1} charts.", soft_wrap=True)
    if any(row.usd_monthly is None for row in report.rows):
        return f"shoreline prices --refresh --region {report.region}"
    return None
