"""Runs schedules until it is stopped: each job as a process of its own, one after another within a schedule."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.interval import IntervalTrigger
from loguru import logger

from services.operations.diary import Diary
from services.operations.schedule import Schedule, late_since, missed

BEAT = timedelta(seconds=15)  # how often the diary says that the scheduler lives, and lateness is looked for
STOPPED = -1  # the exit code of a run that was stopped with the scheduler
_PATIENCE = 25  # seconds that a job which is told to stop has for its clean end


@dataclass
class Scheduler:
    """`command` makes the command line of a job; `tell_late` is called once for each time that a schedule is late."""

    schedules: Mapping[str, Schedule]
    diary: Diary
    command: Callable[[str], Sequence[str]]
    tell_late: Callable[[Schedule, datetime], None]
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _told: dict[str, datetime] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stopping: bool = False

    def run(self) -> None:
        """Runs until an exception ends it, as a signal's handler raises; then the jobs under way are stopped too."""
        # a thread for each schedule: one that takes long keeps none of the others waiting
        engine = BlockingScheduler(
            executors={"default": ThreadPoolExecutor(len(self.schedules) + 1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        now = datetime.now(UTC)
        for name, schedule in self.schedules.items():
            engine.add_job(self._turn, schedule.trigger(), [name], id=name)
            if due := missed(schedule, self.diary.pasts[name], now):
                logger.info("{}: catching up what was due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
                engine.modify_job(name, next_run_time=now)
        engine.add_job(self._beat, IntervalTrigger(seconds=int(BEAT.total_seconds())), next_run_time=now)
        try:
            engine.start()
        finally:
            self._stop()
            if engine.running:
                engine.shutdown(wait=True)
            self._keep(self.diary.close)

    def _turn(self, name: str) -> None:
        """One run of a schedule: its jobs in order, up to the first that fails where the next one needs it."""
        past = self.diary.pasts[name].begin(datetime.now(UTC))
        self._keep(lambda: self.diary.note(name, past, datetime.now(UTC)))
        schedule, exit_code = self.schedules[name], 0
        for job in schedule.jobs:
            code = self._run(job)
            exit_code = exit_code or code
            if exit_code and not schedule.independent:
                break
        if self._stopping:
            return  # it stays open in the diary, and is caught up by the next start
        ended_now = past.end(datetime.now(UTC), exit_code)
        self._keep(lambda: self.diary.note(name, ended_now, datetime.now(UTC)))
        following = self.schedules[name].next_after(datetime.now(UTC))
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
            if self._stopping:
                return STOPPED
            child = subprocess.Popen(self.command(job), stdin=subprocess.DEVNULL)
            self._children.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._children.discard(child)

    def _beat(self) -> None:
        now = datetime.now(UTC)
        self._keep(lambda: self.diary.write(now))
        for name, schedule in self.schedules.items():
            due = late_since(schedule, self.diary.pasts[name], now)
            if due is not None and self._told.get(name) != due:
                self._told[name] = due
                logger.warning("{} is late: due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
                self.tell_late(schedule, due)

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
