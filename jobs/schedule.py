"""Run the backup, the drill and the lake by the clock, until stopped."""

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
_SILENCE = timedelta(minutes=3)  # how long the scheduler may write nothing before it counts as hung


@dataclass(frozen=True)
class ScheduledJob:
    """A schedule, when it is next due, and since when it is late."""

    name: str
    cron: str
    jobs: tuple[str, ...]
    next: datetime | None
    last_started: datetime | None
    last_exit_code: int | None
    late_since: datetime | None


@dataclass(frozen=True)
class ScheduleReport:
    """The timetable. `alive` says whether a scheduler keeps it; None when nobody asked."""

    zone: str
    alive: bool | None
    entries: tuple[ScheduledJob, ...]


def command(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Only check the health of the running scheduler.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only print the timetable.")] = False,
    as_json: Json = False,
) -> None:
    """Run the backup, the drill and the lake by the clock (BACKUP_SCHEDULE and the like), until stopped."""
    embedded: bool = ctx.find_root().obj.embedded
    if check or plan:
        run_job(ctx, "schedule", lambda run: look(run, check=check), show, as_json=as_json, verdict=verdict)
    run_job(ctx, "schedule", lambda run: keep(run, embedded=embedded), show, as_json=as_json)


def schedules(run: Run) -> dict[str, Schedule]:
    """The schedules that the settings name. Raises SettingsError when there are none, or one that cannot run."""
    from services.operations.schedule import Schedule

    given = run.settings
    names = given.database_names
    if len(names) > 1 and given.lake_schedule != "off":
        raise SettingsError(
            f"Settings need attention:\n  LAKE_SCHEDULE  PGDATABASE names {len(names)} databases, and export takes one",
            next_step="Set LAKE_SCHEDULE=off, and run a second scheduler for the lake with one database in PGDATABASE.",
        )
    lines = {
        "backup": (given.backup_schedule, ("backup",)),
        "drill": (given.drill_schedule, _drills(names)),
        "lake": (given.lake_schedule, ("export", "upload", "athena")),
    }
    jitter, grace = timedelta(seconds=given.schedule_jitter), timedelta(seconds=given.schedule_grace)
    zone = given.schedule_timezone
    found = {
        name: Schedule(name, cron, jobs, zone, jitter, grace, independent=name == "drill")
        for name, (cron, jobs) in lines.items()
        if cron != "off"
    }
    if not found:
        raise SettingsError(
            "Nothing is scheduled: BACKUP_SCHEDULE, DRILL_SCHEDULE and LAKE_SCHEDULE are all off.",
            next_step="Set one of them to a cron expression, such as '0 2 * * *'.",
        )
    return found


def _drills(names: list[str]) -> tuple[str, ...]:
    """A drill of each database: it takes one at a time."""
    if len(names) == 1:
        return ("drill",)
    return tuple(shlex.join(["drill", f"--database={name}"]) for name in names)


def keep(run: Run, *, embedded: bool) -> ScheduleReport:
    """Keeps the timetable until the process is told to stop."""
    from loguru import logger

    from jobs.cli.notifications import send
    from services.operations.events import Event, EventType
    from services.operations.scheduler import Scheduler
    from services.operations.state import SchedulerState

    found = schedules(run)
    options = ["--embedded"] if embedded else []

    def tell_late(schedule: Schedule, due: datetime) -> None:
        late = Event(EventType.LATE, schedule.name, run.settings.pgdatabase, datetime.now(UTC), late_since=due)
        send(late, run.settings)

    for entry in look(run, check=False).entries:
        logger.info("{}: '{}' in {}, next at {}", entry.name, entry.cron, run.settings.schedule_timezone, entry.next)
    diary = SchedulerState.open(run.settings.schedule_state, tuple(found), run.started)
    Scheduler(found, diary, lambda job: [*_PROGRAM, *options, *shlex.split(job)], tell_late).run()
    return look(run, check=False)


def look(run: Run, *, check: bool) -> ScheduleReport:
    """Reads what the scheduler has written, and says what is next and what is late."""
    from services.operations.schedule import Past, late_since, timetable
    from services.operations.state import read

    page = read(run.settings.schedule_state)
    pasts = {} if page is None else page.pasts
    entries = []
    for schedule, due in timetable(schedules(run).values(), run.started):
        past = pasts.get(schedule.name, Past(since=run.started))
        late = late_since(schedule, past, run.started)
        entries.append(
            ScheduledJob(schedule.name, schedule.cron, schedule.jobs, due, past.started, past.exit_code, late)
        )
    beat = None if page is None else page.beat
    alive = beat is not None and abs(run.started - beat) < _SILENCE if check else None
    return ScheduleReport(run.settings.schedule_timezone, alive, tuple(entries))


def verdict(report: ScheduleReport) -> ShorelineError | None:
    """A failure when no scheduler lives, or when something is late."""
    if report.alive is False:
        return CheckFailed("No scheduler is running.", next_step="Start it: `shoreline schedule`.")
    if report.alive and (late := [entry.name for entry in report.entries if entry.late_since]):
        return CheckFailed(f"Late: {', '.join(late)}.", next_step="See the scheduler's log for what failed.")
    return None


def show(report: ScheduleReport, console: Console) -> None:
    """Prints a line for each schedule."""
    from services import formatting

    for entry in report.entries:
        due = "never" if entry.next is None else formatting.moment(entry.next)
        late = f", late since {formatting.moment(entry.late_since)}" if entry.late_since else ""
        console.print(f"  {entry.name:<8} {entry.cron:<16} next {due}{late}", soft_wrap=True)
