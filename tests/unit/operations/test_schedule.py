"""What is due, missed and late, at given times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.operations.schedule import RunHistory, Schedule, late_since, missed

DAY = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def schedule(cron: str = "0 2 * * *", zone: str = "UTC", jitter: int = 0, grace: timedelta = HOUR) -> Schedule:
    return Schedule("backup", cron, ("backup",), zone, timedelta(seconds=jitter), grace)


def at(hour: int, minute: int = 0, day: int = 10) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_the_next_time_is_strictly_later() -> None:
    assert schedule().next_after(at(2)) == at(2, day=11)
    assert schedule().next_after(at(1, 59)) == at(2)


def test_times_are_those_of_the_zone_and_follow_its_summer_time() -> None:
    berlin = schedule(zone="Europe/Berlin")
    assert berlin.next_after(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert berlin.next_after(datetime(2026, 4, 1, 12, tzinfo=UTC)) == datetime(2026, 4, 2, 0, tzinfo=UTC)


def test_a_new_schedule_has_missed_nothing() -> None:
    assert missed(schedule(), RunHistory(since=DAY), DAY + HOUR) is None


def test_any_number_of_missed_runs_is_caught_up_by_one() -> None:
    past = RunHistory(since=DAY).begin(at(2)).end(at(3), 0)
    assert missed(schedule(), past, at(12, day=13)) == at(2, day=11)


def test_a_run_that_was_cut_off_is_missed() -> None:
    assert missed(schedule(), RunHistory(since=DAY).begin(at(2, day=11)), at(3, day=11)) == at(2, day=11)


def test_a_run_that_failed_is_not_run_again_before_its_time() -> None:
    past = RunHistory(since=DAY).begin(at(2, day=11)).end(at(3, day=11), 4)
    assert missed(schedule(), past, at(12, day=11)) is None


@pytest.mark.parametrize("exit_code", [1, 4, 143, -1])
def test_a_failed_run_is_late_once_its_grace_is_over(exit_code: int) -> None:
    past = RunHistory(since=DAY).begin(at(2, day=11)).end(at(2, 10, day=11), exit_code)
    assert late_since(schedule(), past, at(3, day=11)) is None
    assert late_since(schedule(), past, at(3, 1, day=11)) == at(2, day=11)


def test_a_run_that_does_not_end_is_late() -> None:
    assert late_since(schedule(), RunHistory(since=DAY).begin(at(2, day=11)), at(4, day=11)) == at(2, day=11)


def test_a_run_that_never_began_is_late() -> None:
    assert late_since(schedule(), RunHistory(since=DAY), at(4, day=11)) == at(2, day=11)


def test_a_good_run_is_not_late_until_the_next_one_is() -> None:
    past = RunHistory(since=DAY).begin(at(2, 1, day=11)).end(at(2, 10, day=11), 0)
    assert late_since(schedule(jitter=60), past, at(3, day=12)) is None
    assert late_since(schedule(jitter=60), past, at(3, 2, day=12)) == at(2, day=12)


def test_jitter_delays_run_within_its_limit() -> None:
    runs = {schedule(jitter=600).next_run(DAY) for _ in range(50)}
    assert len(runs) > 1
    assert all(run is not None and timedelta(0) <= run - at(2, day=11) <= timedelta(minutes=10) for run in runs)
