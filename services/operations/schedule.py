"""When jobs are due, missed and late. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from services.operations.cron import parse

CLOCK_STEP = timedelta(minutes=5)


"""How far a clock may be set back without notice: by more, what it says of the past is wrong."""


@dataclass(frozen=True)
class Schedule:
    """One line of the timetable: `jobs` run one after another whenever `cron` says so in `zone`.

    Each is a job with its options as a shell reads them. One that fails ends the run, unless they are `independent`.
    A run begins up to `jitter` after its time, and is late when none has ended well within `grace` after that.
    """

    name: str
    cron: str
    jobs: tuple[str, ...]
    zone: str
    jitter: timedelta
    grace: timedelta
    independent: bool = False

    def trigger(self) -> CronTrigger:
        """The expression as APScheduler takes it, jitter included."""
        jitter = int(self.jitter.total_seconds())
        return CronTrigger(**parse(self.cron).fields(), timezone=ZoneInfo(self.zone), jitter=jitter or None)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time in UTC after `moment` that the expression names, without jitter; None when there is none."""
        exact = replace(self, jitter=timedelta(0)).trigger()
        found: datetime | None = exact.get_next_fire_time(None, moment + timedelta(microseconds=1))
        return None if found is None else found.astimezone(UTC)  # an hour that summer time skips is a time only in UTC


@dataclass(frozen=True)
class Past:
    """What is known of a schedule's runs. `since` is when it was first seen; `ended` is None while one runs."""

    since: datetime
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    good: datetime | None = None  # when the last run that ended well had started

    def begin(self, now: datetime) -> Past:
        """A run has started."""
        return replace(self, started=now, ended=None, exit_code=None)

    def end(self, now: datetime, exit_code: int) -> Past:
        """The run has ended."""
        started = None if self.started is None else min(self.started, now)  # the clock may have been set back
        return replace(self, started=started, ended=now, exit_code=exit_code, good=self.good if exit_code else started)

    def as_of(self, now: datetime) -> Past:
        """The same without the times that have not come yet, as after a clock was set back: they count as never."""
        latest = now + CLOCK_STEP
        past = self if self.since <= latest else replace(self, since=now)
        past = past if past.good is None or past.good <= latest else replace(past, good=None)
        if past.started is not None and past.started > latest and past.ended is not None:
            return replace(past, started=None, ended=None, exit_code=None)
        return past


def missed(schedule: Schedule, past: Past, now: datetime) -> datetime | None:
    """The run that is to be caught up when the scheduler starts, by its time; None when there is none.

    Several missed runs are caught up by one. A run that was cut off counts as missed; one that failed does not.
    """
    past = past.as_of(now)
    if past.started is not None and past.ended is None:
        return past.started
    due = schedule.next_after(past.started or past.since)
    return due if due is not None and due <= now else None


def late_since(schedule: Schedule, past: Past, now: datetime) -> datetime | None:
    """The first time that no good run has answered to, when its grace is over; None when all is well."""
    past = past.as_of(now)
    due = schedule.next_after(past.good or past.since)
    if due is None or now <= due + schedule.jitter + schedule.grace:
        return None
    return due


def overdue_plan(schedule: Schedule, past: Past, planned: datetime, now: datetime) -> bool:
    """Whether a run is planned for later than the expression says, as after a clock was set back.

    A clock that is set back by a moment does not repeat the run that has just begun.
    """
    due = schedule.next_after(now)
    if due is None or planned <= due + schedule.jitter + timedelta(seconds=1):
        return False
    started = past.as_of(now).started
    return started is None or started < due


def timetable(schedules: Iterable[Schedule], now: datetime) -> list[tuple[Schedule, datetime | None]]:
    """Each schedule with its next time, the soonest first."""
    found = [(schedule, schedule.next_after(now)) for schedule in schedules]
    return sorted(found, key=lambda each: (each[1] is None, each[1]))
