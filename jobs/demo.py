"""Run every main job on sample data: backup, restore, drill, lake, queries, cleanup."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, Show, run_job
from services.errors import InputError, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

BUCKET, DATABASE, RESTORED = "shoreline-demo", "shoreline_demo", "shoreline_demo_restored"
ROWS = 20_000
Report = TypeVar("Report")


@dataclass(frozen=True)
class DemoStep:
    """One job of the demo."""

    job: str
    done: str  # its result in one line
    seconds: float
    usd: Decimal  # what AWS would bill


@dataclass(frozen=True)
class DemoReport:
    """The jobs of the demo, in order."""

    steps: tuple[DemoStep, ...]


def command(ctx: typer.Context, as_json: Json = False) -> None:
    """Run every main job offline, on a separate bucket and database: backup, restore, lake, queries, cleanup."""
    run_job(ctx, "demo", lambda run: demo(run, quiet=as_json), show, as_json=as_json)


def demo(run: Run, *, quiet: bool) -> DemoReport:
    """Run each job as its command does, show its report, and sum up."""
    if run.settings.aws_endpoint_url is None:
        raise InputError(
            "The demo deletes what it creates, and runs only offline.",
            next_step="Run `make demo`; on AWS, run the jobs one by one, with --dry-run to see what they would do.",
        )
    settings = {"bucket": BUCKET, "pgdatabase": DATABASE, "output_dir": run.settings.output_dir / "demo"}
    loop = _Loop(run.with_settings(**settings), quiet)
    try:
        _backups(loop)
        _lake(loop)
    finally:
        for name in (RESTORED, DATABASE):
            run.database_named(name).drop()
    _cleanup(loop)
    return DemoReport(tuple(loop.steps))


def _backups(loop: _Loop) -> None:
    from jobs import backup, database, drill, restore, setup
    from services import formatting

    loop.step("setup", setup.setup, setup.show, lambda done: f"s3://{done.bucket}")
    loop.step(
        "database",
        lambda run: database.database(run, ROWS),
        database.show,
        lambda done: f"{formatting.count(sum(done.rows.values()), 'row')}, {formatting.size(done.size)} on disk",
    )
    loop.step(
        "backup",
        backup.backup,
        backup.show,
        lambda done: "; ".join(
            f"{formatting.size(result.plain_bytes)} of SQL as {formatting.size(result.bytes)}"
            for result in done.backups
        ),
        backup.verdict,
    )
    loop.step(
        "restore",
        lambda run: restore.restore(run, restore.pick(run), RESTORED, replace=True),
        restore.show,
        lambda done: f"{formatting.count(done.rows, 'row')} into {done.database}",
    )
    loop.step(
        "drill",
        lambda run: drill.drill(run, restore.pick(run)),
        drill.show,
        lambda done: f"{formatting.count(done.record.tables, 'table')} equal, row for row",
        drill.verdict,
    )


def _lake(loop: _Loop) -> None:
    from jobs import athena, generate, upload
    from services import formatting
    from services.lake.generate import DEFAULT_DAYS
    from services.lake.population import Population

    population = Population(users=1000, rows_per_day=1000, seed=2025)
    loop.step(
        "generate",
        lambda run: generate.generate(run, population, ("orders", "events"), DEFAULT_DAYS, 2),
        generate.show,
        lambda done: f"{formatting.count(sum(table.rows for table in done.tables), 'row')} as Parquet",
    )
    loop.step(
        "upload",
        upload.upload,
        upload.show,
        lambda done: f"{formatting.size(sum(plan.bytes_to_send for plan in done.plans))} under {done.target}",
    )
    loop.step(
        "athena",
        athena.athena,
        athena.show,
        lambda done: (
            f"{formatting.count(len(done.results), 'query', 'queries')}, "
            f"{formatting.size(sum(result.figures.scanned for result in done.results))} scanned"
        ),
        athena.verdict,
        lambda done: sum((result.figures.cost for result in done.results), Decimal(0)),
    )


def _cleanup(loop: _Loop) -> None:
    from jobs import cleanup

    options = cleanup.Options(yes=True)
    loop.step(
        "cleanup",
        lambda run: cleanup.cleanup(run, options),
        cleanup.show,
        lambda done: f"{len(done.checks)} resources verified deleted",
        cleanup.verdict,
    )


class _Loop:
    """Runs one job after another and records the result of each."""

    def __init__(self, run: Run, quiet: bool) -> None:
        from jobs.cli.console import Output

        self.run = run
        self.steps: list[DemoStep] = []
        self._console = Output(quiet=quiet)

    def step(
        self,
        job: str,
        work: Callable[[Run], Report],
        show: Show[Report],
        summary: Callable[[Report], str],
        verdict: Callable[[Report], ShorelineError | None] = lambda _: None,
        extra_cost: Callable[[Report], Decimal] = lambda _: Decimal(0),
    ) -> None:
        """Run one job, show its report, and add its line to the summary. Raises the failure of its verdict.

        `extra_cost` is what AWS would bill for work done elsewhere: Athena's scans, which DuckDB does here.
        """
        self._console.rule(job, align="left", characters="-")
        began, before = time.monotonic(), self.run.account.meter.snapshot()
        report = work(self.run)
        seconds = time.monotonic() - began
        show(report, self._console)
        if (failure := verdict(report)) is not None:
            raise failure
        usage = self.run.account.meter.snapshot() - before
        usd = self.run.account.biller.bill(usage).total + extra_cost(report)
        self.steps.append(DemoStep(job, summary(report), round(seconds, 3), usd))


def show(report: DemoReport, console: Console) -> str:
    """Print a line for each job, and the total."""
    from jobs.cli.console import print_table
    from services import formatting

    console.rule("summary", align="left", characters="-")
    rows = [
        (step.job, step.done, formatting.seconds(step.seconds), formatting.money(step.usd)) for step in report.steps
    ]
    total = sum((step.usd for step in report.steps), Decimal(0))
    taken = formatting.seconds(sum(step.seconds for step in report.steps))
    rows.append(("all", "nothing remains", taken, formatting.money(total)))
    print_table(console, ("Job", "What it did", "Time", "On AWS"), rows, right=("Time", "On AWS"))
    console.print(
        "The column On AWS includes Athena's scans. The receipt does not: DuckDB ran the queries here.", soft_wrap=True
    )
    return "shoreline database"  # the demo has deleted its own
