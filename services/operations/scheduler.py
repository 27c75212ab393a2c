"""Runs schedules until it is stopped: each job as a process of its own, one after another within a schedule."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Event, Lock, Thread

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from loguru import logger

from services.operations.schedule import Schedule, late_since, missed, overdue_plan
from services.operations.state import SchedulerState

BEAT = timedelta(seconds=15)  # how often the diary says that the scheduler lives, and lateness is looked for
STOPPED = -1  # the exit code of a run that was stopped with the scheduler
_PATIENCE = 25  # seconds that a job which is told to stop has for its clean end


@dataclass
class Scheduler:
    """`command` makes the command line of a job; `tell_late` is called once for each time that a schedule is late.

    `clock` gives the time in UTC, which may be set forward and back while the scheduler runs.
    """

    schedules: Mapping[str, Schedule]
    diary: SchedulerState
    command: Callable[[str], Sequence[str]]
    tell_late: Callable[[Schedule, datetime], None]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _told: dict[str, datetime] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    def run(self) -> None:
        """Runs until an exception ends it, as a signal's handler raises; then the jobs under way are stopped too."""
        engine = self._engine
        now = self.clock()
        for name, schedule in self.schedules.items():
            engine.add_job(self._turn, schedule.trigger(), [name], id=name)
            if due := missed(schedule, self.diary.pasts[name], now):
                logger.info("{}: catching up what was due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
                engine.modify_job(name, next_run_time=now)
        beats = Thread(target=self._beat_until_stopped, daemon=True, name="beat")
        try:
            beats.start()
            engine.start()
        finally:
            self._stop()
            if engine.running:
                engine.shutdown(wait=True)
            beats.join(_PATIENCE)
            self._keep(self.diary.close)

    @cached_property
    def _engine(self) -> BlockingScheduler:
        """A thread for each schedule: one that takes long keeps none of the others waiting."""
        return BlockingScheduler(
            executors={"default": ThreadPoolExecutor(len(self.schedules))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    def _turn(self, name: str) -> None:
        """One run of a schedule: its jobs in order, up to the first that fails where the next one needs it."""
        past = self.diary.pasts[name].begin(self.clock())
        self._keep(lambda: self.diary.note(name, past, self.clock()))
        schedule, exit_code = self.schedules[name], 0
        for job in schedule.jobs:
            code = self._run(job)
            exit_code = exit_code or code
            if exit_code and not schedule.independent:
                break
        if self._stopped.is_set():
            return  # it stays open in the diary, and is caught up by the next start
        ended_now = past.end(self.clock(), exit_code)
        self._keep(lambda: self.diary.note(name, ended_now, self.clock()))
        following = self.schedules[name].next_after(self.clock())
        when = "never" if following is None else f"at {following:%Y-%m-%d %H:%M:%S} UTC"
        ended = "done" if exit_code == 0 else f"failed with exit code {exit_code}"
        logger.bind(schedule=name, scheduled_exit_code=exit_code).info("{} {}; next {}", name, ended, when)

    def _keep(self, write: Callable[[], None]) -> None:
        """A backup needs no disk: one that is full keeps no job from its time. The health check misses the beat."""
        try:
            write()
        except OSError as error:
            logger.error("the scheduler's state cannot be written to {}: {}", self.diary.path, error.strerror)

    def _run(self, job: str) -> int:
        with self._lock:
            if self._stopped.is_set():
                return STOPPED
            child = subprocess.Popen(self.command(job), stdin=subprocess.DEVNULL)
            self._children.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._children.discard(child)

    def _beat_until_stopped(self) -> None:
        """Beats by a clock that only goes forward: one that is set back would stop a job of the engine, too."""
        while True:
            try:
                self._beat()
            except Exception as error:  # the health check misses a beat; the jobs go on
                logger.opt(exception=error).error("the scheduler's check of itself failed")
            if self._stopped.wait(BEAT.total_seconds()):
                return

    def _beat(self) -> None:
        now = self.clock()
        self._keep(lambda: self.diary.write(now))
        self._reschedule(now)
        for name, schedule in self.schedules.items():
            due = late_since(schedule, self.diary.pasts[name], now)
            if due is not None and self._told.get(name) != due:
                self._told[name] = due
                logger.warning("{} is late: due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
                self.tell_late(schedule, due)

    def _reschedule(self, now: datetime) -> None:
        """Bring forward the runs that a clock which was set back has put off, and look for those that are due now."""
        for name, schedule in self.schedules.items():
            job = self._engine.get_job(name)
            planned = None if job is None else getattr(job, "next_run_time", None)
            if planned is None or not overdue_plan(schedule, self.diary.pasts[name], planned, now):
                continue
            caught_up = missed(schedule, self.diary.pasts[name], now)
            following = now if caught_up else schedule.trigger().get_next_fire_time(None, now)
            logger.warning("{}: the clock was set back; next at {:%Y-%m-%d %H:%M:%S} UTC", name, following)
            job.modify(next_run_time=following)
        if self._engine.running:
            self._engine.wakeup()

    def _stop(self) -> None:
        with self._lock:
            self._stopped.set()
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
