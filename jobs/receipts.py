"""The receipt at the end of each run, and the job that sums all kept receipts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from rich.console import Console

    from services.costs.receipt import KeptReceipt, Receipt, Total

Job = Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only receipts of this job.")]


@dataclass(frozen=True)
class ReceiptsReport:
    """Kept receipts, summed by job."""

    folder: Path
    receipts: int
    unreadable: list[str]
    totals: list[Total]
    usd: Decimal  # at AWS's list prices
    usd_billed: Decimal  # of that, by runs against AWS itself
    usd_free_tier: Decimal  # of `usd`, covered by AWS's monthly free allowances


def command(ctx: typer.Context, job: Job = None, as_json: Json = False) -> None:
    """Add up the stored receipts: requests, bytes and dollars by job."""
    run_job(ctx, "receipts", lambda run: receipts(run, job), show, as_json=as_json)


def receipts(run: Run, job: str | None) -> ReceiptsReport:
    """Sum the kept receipts of all jobs, or of one."""
    from services.costs.receipt import add_up, read_receipts

    folder = run.settings.receipts_dir
    kept, unreadable = read_receipts(folder)
    chosen = [receipt for receipt in kept if job in (None, receipt.job)]
    return ReceiptsReport(
        folder=folder,
        receipts=len(chosen),
        unreadable=unreadable,
        totals=add_up(chosen),
        usd=_dollars(chosen),
        usd_free_tier=sum((receipt.usd_free_tier for receipt in chosen), Decimal(0)),
        usd_billed=_dollars([receipt for receipt in chosen if receipt.billed]),
    )


def show(report: ReceiptsReport, console: Console) -> None:
    """Print a line for each job, and the sum."""
    from jobs.cli.console import print_table
    from services import formatting

    heads = ["job", "runs", "requests", "retries", "sent", "received", "USD"]
    rows = [
        [
            total.job,
            *(f"{number:,}" for number in (total.runs, total.requests, total.retries)),
            formatting.size(total.bytes_sent),
            formatting.size(total.bytes_received),
            _usd(total.usd),
        ]
        for total in report.totals
    ]
    if rows:
        print_table(console, heads, rows, heads[1:])
    for name in report.unreadable:
        console.print(f"  Skipped {name}: not a complete receipt.")
    kept = f"{formatting.count(report.receipts, 'receipt')} in {report.folder}"
    billed = f"billed by AWS: {_usd(report.usd_billed)}"
    console.print(f"{kept}: {_usd(report.usd)} at AWS's list prices, {billed}.", soft_wrap=True)


def show_receipt(receipt: Receipt, console: Console) -> None:
    """Print a run's requests to AWS, what they cost, and what its stored objects cost a month."""
    from rich.table import Table

    if not receipt.usage.tallies:
        console.print("Receipt: $0.00, no requests to AWS.")
        return
    where = (
        f"AWS {receipt.region}" if receipt.billed else f"AWS {receipt.region} list prices; this endpoint bills nothing"
    )
    console.print(f"Receipt: {where}")
    table = Table.grid(padding=(0, 2))
    table.add_column(width=min(36, max(12, console.width - 40)))  # on a narrow terminal words fold, and no figure
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    for line in receipt.bill.lines:
        note = "" if line.priced_in == receipt.region else f" (price of {line.priced_in})"
        unit = line.unit if line.amount == 1 or not line.unit.endswith("request") else f"{line.unit}s"
        table.add_row(f"  {line.what}{note}", _amount(line.amount), unit, _usd(line.rounded))
    table.add_row("  total", "", "", _usd(receipt.total), style="bold")
    if receipt.monthly:
        unit = "object" if receipt.objects_left == 1 else "objects"
        table.add_row("  stored, per month", f"{receipt.objects_left:,}", unit, _usd(receipt.total_monthly))
    if receipt.total_free:
        table.add_row("  covered by the monthly free tier", "", "", _usd(receipt.total_free))
    console.print(table)
    if receipt.over_limit:
        console.print(f"  over MAX_RUN_COST_USD (${receipt.limit}): on AWS this run would have been stopped")
    if receipt.bill.unpriced:
        console.print(f"  no known price, not in the total: {', '.join(receipt.bill.unpriced)}")


def close(run: Run) -> Receipt:
    """Return the run's receipt, saved in RECEIPTS_DIR if there were requests to AWS."""
    from loguru import logger

    from services.costs.receipt import keep

    receipt = run.account.receipt(job=run.job, run_id=run.run_id, started=run.started)
    if receipt.usage.tallies:
        try:
            keep(receipt, run.settings.receipts_dir, run.evidence)
        except OSError as error:
            logger.warning("The receipt could not be saved in {}: {}", run.settings.receipts_dir, error.strerror)
    return receipt


def _dollars(receipts: list[KeptReceipt]) -> Decimal:
    return sum((receipt.usd for receipt in receipts), Decimal(0))


def _usd(usd: Decimal) -> str:
    return f"${usd:,.9f}"


def _amount(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.6f}"
