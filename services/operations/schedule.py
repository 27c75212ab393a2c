"""When jobs are due, missed and late. Pure: the time is an argument."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

CLOCK_STEP = timedelta(minutes=5)
"""How far a clock may be set back unnoticed. After a larger step, recorded times in the future are ignored."""
_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * sun",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def cron_fields(expression: str) -> str:
    """Return the five fields of a cron expression, or six with seconds first; aliases such as '@daily' are expanded.

    Raises ValueError. Cron fires when either the day of the month or the weekday matches where both are set, which
    is rarely intended: such an expression is refused.
    """
    text = expression.strip().lower()
    text = re.sub(r"-sun(?=[,/]|$)", "-7", _ALIASES.get(text, text))  # 'fri-sun' ends the week
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise ValueError(
            f"invalid cron expression {expression!r} ({reason}): expected 'minute hour day month weekday',"
            " such as '0 2 * * *'"
        ) from None
    if "*" not in (text.split()[-3], text.split()[-1]):
        raise ValueError(
            f"invalid cron expression {expression!r}: it sets both a day of the month and a weekday;"
            " write '*' for one of them"
        )
    return text


@dataclass(frozen=True)
class Schedule:
    """One line of the timetable.

    A run starts up to `jitter` after its time, and is late when none has succeeded within `grace` after that.
    """

    name: str
    cron: str
    jobs: tuple[str, ...]  # run one after another, each with its options as in a shell
    zone: str  # the time zone of `cron`
    jitter: timedelta
    grace: timedelta
    independent: bool = False  # whether the jobs after a failed one still run

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first scheduled time after `moment`, in UTC and without jitter; None if there is none."""
        times = CronSim(cron_fields(self.cron), moment.astimezone(ZoneInfo(self.zone)))
        # When clocks go back, CronSim may start with a time of the hour's first pass, before `moment`.
        return next((due for due in (time.astimezone(UTC) for time in times) if due > moment), None)

    def next_run(self, now: datetime) -> datetime | None:
        """Return the time of the next run after `now`: the scheduled time and a random part of the jitter."""
        due = self.next_after(now)
        return None if due is None else due + self.jitter * random.random()  # noqa: S311


@dataclass(frozen=True)
class RunHistory:
    """The recorded runs of a schedule."""

    since: datetime  # when the schedule was first seen
    started: datetime | None = None  # start of the latest run
    ended: datetime | None = None  # None while the run is under way
    exit_code: int | None = None
    good: datetime | None = None  # start of the latest run that succeeded

    def begin(self, now: datetime) -> RunHistory:
        """Return the record with a run that starts now."""
        return replace(self, started=now, ended=None, exit_code=None)

    def end(self, now: datetime, exit_code: int) -> RunHistory:
        """Return the record with the current run ended."""
        started = None if self.started is None else min(self.started, now)  # the clock may have been set back
        return replace(self, started=started, ended=now, exit_code=exit_code, good=self.good if exit_code else started)

    def as_of(self, now: datetime) -> RunHistory:
        """Return the record without times in the future, which a clock that was set back leaves behind."""
        latest = now + CLOCK_STEP
        past = self if self.since <= latest else replace(self, since=now)
        past = past if past.good is None or past.good <= latest else replace(past, good=None)
        if past.started is not None and past.started > latest and past.ended is not None:
            return replace(past, started=None, ended=None, exit_code=None)
        return past


def missed(schedule: Schedule, past: RunHistory, now: datetime) -> datetime | None:
    """Return the time of the run to catch up when the scheduler starts, or None.

    One run catches up several. An interrupted run counts as missed; a failed one does not.
    """
    past = past.as_of(now)
    if past.started is not None and past.ended is None:
        return past.started
    due = schedule.next_after(past.started or past.since)
    return due if due is not None and due <= now else None


def late_since(schedule: Schedule, past: RunHistory, now: datetime) -> datetime | None:
    """Return the first scheduled time without a successful run, once its grace period is over; else None."""
    past = past.as_of(now)
    due = schedule.next_after(past.good or past.since)
    if due is None or now <= due + schedule.jitter + schedule.grace:
        return None
    return due


def overdue_plan(schedule: Schedule, past: RunHistory, planned: datetime, now: datetime) -> bool:
    """Return whether a run is planned later than the schedule says, as after a clock was set back.

    A small step back does not repeat the run that has just started.
    """
    due = schedule.next_after(now)
    if due is None or planned <= due + schedule.jitter + timedelta(seconds=1):
        return False
    started = past.as_of(now).started
    return started is None or started < due


def timetable(schedules: Iterable[Schedule], now: datetime) -> list[tuple[Schedule, datetime | None]]:
    """Return each schedule with its next time, the soonest first."""
    entries = [(schedule, schedule.next_after(now)) for schedule in schedules]
    return sorted(entries, key=lambda entry: (entry[1] is None, entry[1]))
