"""Run the backup, the drill and the lake on a schedule, until stopped."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from services.errors import CheckFailed, SettingsError, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.operations.schedule import Schedule

# By its path and with -P, so that a folder `jobs` in the working directory or in PYTHONPATH is not run instead.
_PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("__main__.py")))
_MAX_SILENCE = timedelta(minutes=3)  # without a heartbeat, before the scheduler counts as hung


@dataclass(frozen=True)
class ScheduledJob:
    """One schedule and its state."""

    name: str
    cron: str
    jobs: tuple[str, ...]
    next: datetime | None  # None for an expression that never matches again
    last_started: datetime | None
    last_exit_code: int | None
    late_since: datetime | None


@dataclass(frozen=True)
class ScheduleReport:
    """The timetable."""

    zone: str
    alive: bool | None  # whether a scheduler is running; None without --check
    entries: tuple[ScheduledJob, ...]


def command(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Check the running scheduler, and start none.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print the timetable, and start no scheduler.")] = False,
    as_json: Json = False,
) -> None:
    """Run the backup, the drill and the lake on a schedule (BACKUP_SCHEDULE, DRILL_SCHEDULE, LAKE_SCHEDULE)."""
    embedded: bool = ctx.find_root().obj.embedded
    if check or plan:
        run_job(ctx, "schedule", lambda run: read_schedule(run, check=check), show, as_json=as_json, verdict=verdict)
    else:
        run_job(ctx, "schedule", lambda run: keep_schedule(run, embedded=embedded), show, as_json=as_json)


def configured_schedules(run: Run) -> dict[str, Schedule]:
    """Return the schedules of the settings. Raises SettingsError for none, or for one that cannot run."""
    from services.operations.schedule import Schedule

    settings = run.settings
    names = settings.database_names
    if len(names) > 1 and settings.lake_schedule != "off":
        raise SettingsError(
            f"Invalid settings:\n  LAKE_SCHEDULE  PGDATABASE names {len(names)} databases, but export takes one",
            next_step="Set LAKE_SCHEDULE=off, and run a second scheduler for the lake with one database in PGDATABASE.",
        )
    lines = {
        "backup": (settings.backup_schedule, ("backup",)),
        "drill": (settings.drill_schedule, _drills(names)),
        "lake": (settings.lake_schedule, ("export", "upload", "athena")),
    }
    jitter, grace = timedelta(seconds=settings.schedule_jitter), timedelta(seconds=settings.schedule_grace)
    zone = settings.schedule_timezone
    schedules = {
        name: Schedule(name, cron, jobs, zone, jitter, grace, independent=name == "drill")
        for name, (cron, jobs) in lines.items()
        if cron != "off"
    }
    if not schedules:
        raise SettingsError(
            "Nothing is scheduled: BACKUP_SCHEDULE, DRILL_SCHEDULE and LAKE_SCHEDULE are all off.",
            next_step="Set one of them to a cron expression, such as '0 2 * * *'.",
        )
    return schedules


def _drills(names: list[str]) -> tuple[str, ...]:
    """Return a drill for each database: a drill takes one."""
    if len(names) == 1:
        return ("drill",)
    return tuple(shlex.join(["drill", f"--database={name}"]) for name in names)


def keep_schedule(run: Run, *, embedded: bool) -> ScheduleReport:
    """Run the jobs at their times until the process is stopped."""
    from loguru import logger

    from jobs.cli.notifications import send
    from services.operations.events import Event, EventType
    from services.operations.scheduler import Scheduler
    from services.operations.state import SchedulerState

    schedules = configured_schedules(run)
    options = ["--embedded"] if embedded else []

    def report_late(schedule: Schedule, due: datetime) -> None:
        late = Event(EventType.LATE, schedule.name, run.settings.pgdatabase, datetime.now(UTC), late_since=due)
        send(late, run.settings)

    for entry in read_schedule(run, check=False).entries:
        logger.info("{}: '{}' in {}, next at {}", entry.name, entry.cron, run.settings.schedule_timezone, entry.next)
    state = SchedulerState.open(run.settings.schedule_state, tuple(schedules), run.started)
    Scheduler(schedules, state, lambda job: [*_PROGRAM, *options, *shlex.split(job)], report_late).run()
    return read_schedule(run, check=False)


def read_schedule(run: Run, *, check: bool) -> ScheduleReport:
    """Return the timetable: what is next, and what is late by the state that the scheduler has written."""
    from services.operations.schedule import RunHistory, late_since, timetable
    from services.operations.state import read

    snapshot = read(run.settings.schedule_state)
    runs = {} if snapshot is None else snapshot.runs
    entries = []
    for schedule, due in timetable(configured_schedules(run).values(), run.started):
        past = runs.get(schedule.name, RunHistory(since=run.started))
        late = late_since(schedule, past, run.started)
        entries.append(
            ScheduledJob(schedule.name, schedule.cron, schedule.jobs, due, past.started, past.exit_code, late)
        )
    heartbeat = None if snapshot is None else snapshot.heartbeat
    alive = heartbeat is not None and abs(run.started - heartbeat) < _MAX_SILENCE if check else None
    return ScheduleReport(run.settings.schedule_timezone, alive, tuple(entries))


def verdict(report: ScheduleReport) -> ShorelineError | None:
    """Return a failure if no scheduler is running, or a schedule is late."""
    if report.alive is False:
        return CheckFailed("No scheduler is running.", next_step="Start it: `shoreline schedule`.")
    if report.alive and (late := [entry.name for entry in report.entries if entry.late_since]):
        return CheckFailed(f"Late: {', '.join(late)}.", next_step="See the scheduler's log for what failed.")
    return None


def show(report: ScheduleReport, console: Console) -> None:
    """Print a line for each schedule."""
    from services import formatting

    for entry in report.entries:
        due = "never" if entry.next is None else formatting.moment(entry.next)
        late = f", late since {formatting.moment(entry.late_since)}" if entry.late_since else ""
        console.print(f"  {entry.name:<8} {entry.cron:<16} next {due}{late}", soft_wrap=True)
