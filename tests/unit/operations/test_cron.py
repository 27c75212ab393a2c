"""Cron expressions mean what cron says, not what APScheduler's own parser makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.operations.cron import parse


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("0", {0}),
        ("7", {0}),
        ("sun", {0}),
        ("1-5", {1, 2, 3, 4, 5}),
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("fri-sun", {0, 5, 6}),
    ],
)
def test_weekdays_count_from_sunday(text: str, weekdays: set[int]) -> None:
    assert parse(f"0 2 * * {text}").weekday == weekdays


def test_weekdays_go_to_apscheduler_by_name() -> None:
    assert parse("0 2 * * 0").fields()["day_of_week"] == "sun"
    assert parse("0 2 * * 1-5").fields()["day_of_week"] == "mon,tue,wed,thu,fri"


def test_steps_lists_and_names() -> None:
    cron = parse("*/20 0-30/10,59 3 1 jan,jul *")
    assert cron.second == {0, 20, 40}
    assert cron.minute == {0, 10, 20, 30, 59}
    assert cron.month == {1, 7}


def test_five_fields_fire_at_the_full_minute() -> None:
    assert parse("15 4 * * *").second == {0}


@pytest.mark.parametrize("alias", ["@daily", "@weekly", "@hourly", "@monthly", "@yearly"])
def test_aliases_are_known(alias: str) -> None:
    assert parse(alias).minute == {0}


NONSENSE = """
* * *|60 * * * *|0 24 * * *|0 0 0 * *|0 0 * 13 *|0 0 * * 8|a * * * *|5-1 * * * *|*/0 * * * *|*-5 * * * *
|0 0 1 * mon|@often|0 0 * * * * *|-1 * * * *|1,,2 * * * *
"""


@pytest.mark.parametrize("text", NONSENSE.replace("\n", "").split("|"))
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@given(st.text(alphabet="0123456789*/-, abcmonsu@", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        cron = parse(text)
    except ValueError:
        return
    assert all(cron.fields().values())
