"""Retention never removes all, never the newest, never fewer than the minimum, and says why for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.backups.retention import Candidate, Decision, Retention, plan

NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)


def made(days_ago: float, *, proved: bool = False, stored_days_ago: float | None = None) -> Candidate:
    taken = NOW - timedelta(days=days_ago)
    stored = taken if stored_days_ago is None else NOW - timedelta(days=stored_days_ago)
    return Candidate(f"{taken:%Y%m%d_%H%M%S}", taken, stored, proved)


def kept(decisions: list[Decision]) -> set[str]:
    return {each.key for each in decisions if each.keep}


ages = st.floats(-2, 400)
candidates = st.lists(
    st.builds(
        lambda age, proved, late: made(age, proved=proved, stored_days_ago=age - late), ages, st.booleans(), ages
    ),
    max_size=25,
    unique_by=lambda each: each.key,
)
policies = st.builds(
    Retention,
    days=st.integers(1, 60),
    minimum=st.integers(1, 8),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 14),
)


@given(candidates, policies)
def test_whatever_there_is_the_newest_and_the_minimum_stay(given_: list[Candidate], policy: Retention) -> None:
    decisions = plan(given_, policy, NOW)
    newest_first = sorted(given_, key=lambda each: (each.taken_at, each.key), reverse=True)
    assert [each.key for each in decisions] == [each.key for each in newest_first]
    assert {each.key for each in newest_first[: policy.minimum]} <= kept(decisions)
    proved = [each.key for each in newest_first if each.proved]
    assert set(proved[:1]) <= kept(decisions)
    for each in given_:
        if NOW - each.taken_at <= timedelta(days=policy.days):
            assert each.key in kept(decisions)
    assert all(each.reason for each in decisions)


@given(candidates, policies)
def test_a_second_run_right_after_removes_nothing_more(given_: list[Candidate], policy: Retention) -> None:
    first = kept(plan(given_, policy, NOW))
    left = [each for each in given_ if each.key in first]
    assert kept(plan(left, policy, NOW)) == first


@given(candidates, policies, st.integers(1, 20))
def test_a_more_generous_policy_never_keeps_less(given_: list[Candidate], policy: Retention, more: int) -> None:
    generous = Retention(policy.days + more, policy.minimum + more, policy.daily, policy.weekly, policy.monthly)
    assert kept(plan(given_, policy, NOW)) <= kept(plan(given_, generous, NOW))


def test_after_a_month_without_a_backup_the_old_ones_stay() -> None:
    assert len(kept(plan([made(day) for day in range(100, 110)], Retention(days=30, minimum=3), NOW))) == 3


def test_thirty_days_mean_thirty_days() -> None:
    decisions = plan([made(0), made(29.9), made(30.1), made(31)], Retention(days=30, minimum=1), NOW)
    assert [each.keep for each in decisions] == [True, True, False, False]
    assert [each.reason for each in decisions] == [
        "the newest",
        "within 30 days",
        "older than 30 days",
        "older than 30 days",
    ]


def test_a_name_from_a_clock_that_was_wrong_does_not_make_a_young_backup_old() -> None:
    decisions = plan([made(0), made(400, stored_days_ago=1)], Retention(days=30, minimum=1), NOW)
    assert decisions[1] == Decision(made(400).key, True, "within 30 days")


def test_a_name_from_the_future_is_kept() -> None:
    assert kept(plan([made(-1), made(0)], Retention(days=1, minimum=1), NOW)) == {made(-1).key, made(0).key}


def test_grandfathers_keep_the_newest_of_each_period() -> None:
    daily = [made(day + hour / 24) for day in range(120) for hour in (0, 6)]
    decisions = plan(daily, Retention(days=1, minimum=1, daily=7, weekly=4, monthly=3), NOW)
    reasons = [each.reason for each in decisions if each.keep]
    assert reasons.count("the newest of its month") == 2  # the third is the newest of all
    assert kept(decisions) >= {made(day).key for day in range(7)}
    assert made(30).key in kept(decisions)  # 31 May
    assert made(61).key in kept(decisions)  # 30 April
    assert made(62).key not in kept(decisions)


def test_nothing_gives_nothing() -> None:
    assert plan([], Retention(), NOW) == []
