"""A clock that is set forward or back stops neither the scheduler nor its health check."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.schedule import CLOCK_STEP, Past, Schedule, late_since, missed, overdue_plan
from services.operations.scheduler import Scheduler
from services.operations.state import SchedulerState, read

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def schedule(cron: str = "0 2 * * *", jitter: int = 0) -> Schedule:
    return Schedule("backup", cron, ("backup",), "UTC", timedelta(seconds=jitter), timedelta(hours=1))


def ended(at: datetime) -> Past:
    return Past(since=NOW - 9 * DAY).begin(at).end(at + SECOND, 0)


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
    assert Past(since=NOW + 400 * DAY).as_of(NOW) == Past(since=NOW)


def test_run_that_spans_a_step_back_ends_before_now() -> None:
    assert Past(since=NOW).begin(NOW + DAY).end(NOW, 0).good == NOW


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
    past = Past(since=NOW - 9 * DAY) if started is None else ended(started)
    assert overdue_plan(schedule(jitter=60), past, planned, NOW) is moved


def test_run_is_not_repeated_when_clock_steps_back_slightly() -> None:
    due = NOW + timedelta(hours=14)
    past = Past(since=NOW).begin(due + SECOND)
    assert not overdue_plan(schedule(), past, due + DAY, due - SECOND)


def test_scheduler_runs_again_after_clock_was_set_back(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ran = threading.Event()

    def command(job: str) -> list[str]:
        ran.set()
        return ["true", job]

    yearly = schedule(f"0 0 {1 + now.day % 28} * *")
    past = Past(since=now - 3 * DAY).begin(now).end(now, 0)
    scheduler = Scheduler(
        {"backup": yearly},
        SchedulerState(tmp_path / "state.json", {"backup": past}),
        command,
        tell_late=lambda *_: None,
        clock=lambda: now - 60 * DAY,
    )
    runner = threading.Thread(target=scheduler.run)
    runner.start()
    assert ran.wait(30)
    scheduler._engine.shutdown(wait=False)
    runner.join(30)
    page = read(tmp_path / "state.json")
    assert page is not None
    assert page.beat is None


def test_state_written_after_a_step_back_holds_no_future(tmp_path: Path) -> None:
    diary = SchedulerState(tmp_path / "state.json", {"backup": ended(NOW + 9 * DAY)})
    diary.write(NOW)
    page = read(tmp_path / "state.json")
    assert page is not None
    assert page.pasts["backup"] == Past(since=NOW - 9 * DAY)
