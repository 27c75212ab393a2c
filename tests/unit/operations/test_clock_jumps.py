"""A clock that is set forward or back stops neither the scheduler nor its health check."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.schedule import CLOCK_STEP, RunHistory, Schedule, late_since, missed, overdue_plan
from services.operations.scheduler import Scheduler
from services.operations.state import SchedulerState, read

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def schedule(cron: str = "0 2 * * *", jitter: int = 0) -> Schedule:
    return Schedule("backup", cron, ("backup",), "UTC", timedelta(seconds=jitter), timedelta(hours=1))


def ended(at: datetime) -> RunHistory:
    return RunHistory(since=NOW - 9 * DAY).begin(at).end(at + SECOND, 0)


@pytest.mark.parametrize("ahead", [CLOCK_STEP + SECOND, DAY, 4000 * DAY])
def test_success_in_the_future_counts_as_never(ahead: timedelta) -> None:
    past = ended(NOW + ahead)
    assert late_since(schedule(), past, NOW) == NOW - 8 * DAY - timedelta(hours=10)
    assert missed(schedule(), past, NOW) is not None


def test_success_stays_when_the_clock_goes_back_a_moment() -> None:
    past = ended(NOW + SECOND)
    assert past.as_of(NOW) == past
    assert late_since(schedule(), past, NOW) is None


def test_schedule_first_seen_in_the_future_begins_now() -> None:
    assert RunHistory(since=NOW + 400 * DAY).as_of(NOW) == RunHistory(since=NOW)


def test_run_that_spans_a_step_back_ends_before_now() -> None:
    assert RunHistory(since=NOW).begin(NOW + DAY).end(NOW, 0).good == NOW


@pytest.mark.parametrize(
    ("planned", "started", "moved"),
    [
        (NOW + timedelta(hours=14), None, False),  # as the expression says
        (NOW + timedelta(hours=14, seconds=59), None, False),  # with jitter
        (NOW + timedelta(hours=14) + DAY, None, True),
        (NOW + timedelta(hours=14) + DAY, NOW + DAY, True),  # ran by the clock that was ahead
        (NOW + 4000 * DAY, NOW - DAY, True),
    ],
)
def test_run_planned_after_its_time_is_moved(planned: datetime, started: datetime | None, moved: bool) -> None:
    past = RunHistory(since=NOW - 9 * DAY) if started is None else ended(started)
    assert overdue_plan(schedule(jitter=60), past, planned, NOW) is moved


def test_run_is_not_repeated_when_clock_steps_back_slightly() -> None:
    due = NOW + timedelta(hours=14)
    past = RunHistory(since=NOW).begin(due + SECOND)
    assert not overdue_plan(schedule(), past, due + DAY, due - SECOND)


def test_scheduler_runs_again_after_clock_was_set_back(tmp_path: Path) -> None:
    due = NOW + timedelta(hours=14)
    times = iter([NOW + 60 * DAY, due - SECOND / 100])  # the next run is planned by the clock that was ahead
    ran = threading.Event()

    def command(job: str) -> list[str]:
        ran.set()
        return ["true", job]

    scheduler = Scheduler(
        {"backup": schedule()},
        SchedulerState(tmp_path / "state.json", {"backup": ended(NOW + 60 * DAY)}),
        command,
        report_late=lambda *_: None,
        clock=lambda: next(times, due),
    )
    follower = threading.Thread(target=scheduler._follow, args=("backup",))
    follower.start()
    assert ran.wait(30)
    scheduler.stop()
    follower.join(30)
    assert scheduler.state.runs["backup"].started == due


def test_stopped_scheduler_leaves_state_without_heartbeat(tmp_path: Path) -> None:
    scheduler = Scheduler(
        {"backup": schedule()},
        SchedulerState(tmp_path / "state.json", {"backup": ended(NOW)}),
        command=lambda job: ["true", job],
        report_late=lambda *_: None,
        clock=lambda: NOW + SECOND,
    )
    scheduler.stop()
    scheduler.run()
    snapshot = read(tmp_path / "state.json")
    assert snapshot is not None
    assert snapshot.heartbeat is None


def test_state_written_after_a_step_back_holds_no_future(tmp_path: Path) -> None:
    state = SchedulerState(tmp_path / "state.json", {"backup": ended(NOW + 9 * DAY)})
    state.write(NOW)
    snapshot = read(tmp_path / "state.json")
    assert snapshot is not None
    assert snapshot.runs["backup"] == RunHistory(since=NOW - 9 * DAY)
