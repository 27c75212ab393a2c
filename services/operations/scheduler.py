"""Runs schedules until it is stopped: each job as its own process, one after another within a schedule."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread

from loguru import logger

from services.operations.schedule import Schedule, late_since, missed, overdue_plan
from services.operations.state import SchedulerState

HEARTBEAT = timedelta(seconds=15)  # between two heartbeats, checks for lateness and looks at the clock
STOPPED = -1  # exit code of a run that was stopped with the scheduler
_STOP_SECONDS = 25  # for a job to end after SIGTERM


@dataclass
class Scheduler:
    """Runs each schedule in a thread of its own, so that a long run does not delay the others."""

    schedules: Mapping[str, Schedule]
    state: SchedulerState
    command: Callable[[str], Sequence[str]]  # returns the command line of a job
    report_late: Callable[[Schedule, datetime], None]  # called once for each time that a schedule misses
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)  # may be set forward and back
    _children: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _reported: dict[str, datetime] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    def run(self) -> None:
        """Run until `stop` is called or an exception, as of a signal handler, ends it; then stop the current jobs."""
        threads = [Thread(target=self._follow, args=(name,), name=name) for name in self.schedules]
        threads.append(Thread(target=self._beat_until_stopped, name="heartbeat"))
        for thread in threads:
            thread.daemon = True
        try:
            for thread in threads:
                thread.start()
            while not self._stopped.wait(HEARTBEAT.total_seconds()):
                pass
        finally:
            self._end_children()
            for thread in threads:
                if thread.ident is not None:
                    thread.join(_STOP_SECONDS)
            self._save(self.state.close)

    def stop(self) -> None:
        """Make `run` return."""
        self._stopped.set()

    def _follow(self, name: str) -> None:
        """Run a schedule at its times."""
        schedule, now = self.schedules[name], self.clock()
        planned = schedule.next_run(now)
        if due := missed(schedule, self.state.runs[name], now):
            logger.info("{}: catching up the run that was due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
            planned = now
        while not self._stopped.is_set():
            now = self.clock()
            if planned is not None and now >= planned:
                try:
                    self._run_jobs(name)
                except Exception as error:  # as when no process can be started
                    logger.opt(exception=error).error("{}: the run failed to start", name)
                planned = schedule.next_run(self.clock())
            elif planned is not None and overdue_plan(schedule, self.state.runs[name], planned, now):
                planned = now if missed(schedule, self.state.runs[name], now) else schedule.next_run(now)
                logger.warning("{}: the clock was set back; next run at {:%Y-%m-%d %H:%M:%S} UTC", name, planned)
            else:
                wait = HEARTBEAT if planned is None else min(HEARTBEAT, planned - now)
                self._stopped.wait(wait.total_seconds())

    def _run_jobs(self, name: str) -> None:
        """Run the jobs of a schedule in order, up to the first that fails unless they are independent."""
        past = self.state.runs[name].begin(self.clock())
        self._save(lambda: self.state.note(name, past, self.clock()))
        schedule, exit_code = self.schedules[name], 0
        for job in schedule.jobs:
            code = self._run(job)
            exit_code = exit_code or code
            if exit_code and not schedule.independent:
                break
        if self._stopped.is_set():
            return  # the run stays open in the state: the next start catches it up
        ended = past.end(self.clock(), exit_code)
        self._save(lambda: self.state.note(name, ended, self.clock()))
        following = schedule.next_after(self.clock())
        when = "never" if following is None else f"at {following:%Y-%m-%d %H:%M:%S} UTC"
        outcome = "done" if exit_code == 0 else f"failed with exit code {exit_code}"
        logger.bind(schedule=name, scheduled_exit_code=exit_code).info("{} {}; next {}", name, outcome, when)

    def _save(self, write: Callable[[], None]) -> None:
        """Write the state. A full disk stops no job: backups need none, and the health check misses the heartbeat."""
        try:
            write()
        except OSError as error:
            logger.error("could not write the scheduler's state to {}: {}", self.state.path, error.strerror)

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
        while True:
            try:
                self._beat()
            except Exception as error:  # the health check misses a heartbeat; the jobs go on
                logger.opt(exception=error).error("the scheduler's heartbeat failed")
            if self._stopped.wait(HEARTBEAT.total_seconds()):
                return

    def _beat(self) -> None:
        now = self.clock()
        self._save(lambda: self.state.write(now))
        for name, schedule in self.schedules.items():
            due = late_since(schedule, self.state.runs[name], now)
            if due is not None and self._reported.get(name) != due:
                self._reported[name] = due
                logger.warning("{} is late: due at {:%Y-%m-%d %H:%M:%S} UTC", name, due)
                self.report_late(schedule, due)

    def _end_children(self) -> None:
        with self._lock:
            self._stopped.set()
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
