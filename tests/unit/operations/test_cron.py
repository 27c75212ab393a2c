"""Cron expressions mean what cron says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.operations.schedule import Schedule, cron_fields

ZERO = timedelta(0)
SUNDAY = datetime(2026, 3, 8, tzinfo=UTC)  # counted from here, 0 is Sunday


def schedule(cron: str, zone: str = "UTC") -> Schedule:
    return Schedule("backup", cron, ("backup",), zone, ZERO, ZERO)


def times(cron: str, since: datetime, span: timedelta, zone: str = "UTC") -> list[datetime]:
    found, at = [], since - timedelta(seconds=1)
    while (due := schedule(cron, zone).next_after(at)) is not None and due < since + span:
        found.append(due)
        at = due
    return found


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("0", {0}),
        ("7", {0}),
        ("sun", {0}),
        ("1-5", {1, 2, 3, 4, 5}),
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("fri-sun", {0, 5, 6}),
        ("fri-sun/2", {5, 0}),
        ("*/2", {0, 2, 4, 6}),
    ],
)
def test_weekdays_count_from_sunday(text: str, weekdays: set[int]) -> None:
    fired = times(f"0 2 * * {text}", SUNDAY, timedelta(days=7))
    assert {(due - SUNDAY).days for due in fired} == weekdays


def test_steps_lists_and_names_select_times() -> None:
    fired = times("*/20 0-30/10,59 3 1 jan,jul *", datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=365))
    assert {due.second for due in fired} == {0, 20, 40}
    assert {due.minute for due in fired} == {0, 10, 20, 30, 59}
    assert {due.month for due in fired} == {1, 7}


@pytest.mark.parametrize("alias", ["@daily", "@weekly", "@hourly", "@monthly", "@yearly", "15 4 * * *"])
def test_five_fields_fire_at_full_minute(alias: str) -> None:
    due = schedule(alias).next_after(SUNDAY)
    assert due is not None
    assert due.second == 0


def test_skipped_local_time_fires_after_the_gap() -> None:
    spring = datetime(2026, 3, 29, tzinfo=UTC)  # 02:00 to 03:00 does not exist in Berlin
    assert times("30 2 * * *", spring, timedelta(days=1), "Europe/Berlin") == [spring.replace(hour=1)]


def test_repeated_local_time_fires_once_and_never_in_past() -> None:
    autumn = datetime(2026, 10, 25, tzinfo=UTC)  # 02:00 to 03:00 comes twice in Berlin: from 00:00 and 01:00 UTC
    assert times("30 2 * * *", autumn, timedelta(days=1), "Europe/Berlin") == [autumn.replace(minute=30)]
    second_pass = autumn.replace(hour=1, minute=10)
    due = schedule("30 2 * * *", "Europe/Berlin").next_after(second_pass)
    assert due is not None
    assert due > second_pass


INVALID = """
* * *|60 * * * *|0 24 * * *|0 0 0 * *|0 0 * 13 *|0 0 * * 8|a * * * *|5-1 * * * *|*/0 * * * *|*-5 * * * *
|0 0 1 * mon|@often|0 0 * * * * *|-1 * * * *|1,,2 * * * *|0 0 30 feb *
"""


@pytest.mark.parametrize("text", INVALID.replace("\n", "").split("|"))
def test_invalid_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid cron expression"):
        cron_fields(text)


@given(st.text(alphabet="0123456789*/-, abcmonsul#@", max_size=30))
def test_any_text_is_accepted_or_refused(text: str) -> None:
    try:
        cron_fields(text)
    except ValueError:
        return
    schedule(text).next_after(SUNDAY)
