"""The lifecycle layer comes after retention, leaves others' rules alone, and moves nothing that does not pay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.lifecycle import drift, horizon, merged, rules, transition
from services.backups.retention import Candidate, Retention, plan
from services.costs.prices import load_prices

PRICES = load_prices()
policies = st.builds(
    Retention,
    days=st.integers(1, 400),
    daily=st.integers(0, 90),
    weekly=st.integers(0, 60),
    monthly=st.integers(0, 60),
    minimum=st.integers(1, 20),
    apart_hours=st.integers(1, 2000),
)
THEIRS = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}
STALE = {"ID": "shoreline-old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


@given(policies)
def test_s3_expires_long_after_the_job_would(policy: Retention) -> None:
    (expiry,) = [rule for rule in rules("p", policy) if "Days" in rule.get("Expiration", {})]
    assert expiry["Expiration"]["Days"] >= horizon(policy) + 60
    assert horizon(policy) >= max(policy.days, policy.daily, 7 * policy.weekly, 31 * policy.monthly)
    assert expiry["Filter"] == {"Prefix": "p/"}


@given(policies, st.integers(1, 30))
def test_s3_expires_nothing_that_the_job_keeps_as_long_as_backups_come(policy: Retention, extra: int) -> None:
    apart, now = timedelta(hours=policy.apart_hours), datetime(2025, 6, 30, 12, tzinfo=UTC)
    times = [now - number * apart for number in range(policy.minimum + policy.daily + policy.weekly + extra)]
    kept = {each.key for each in plan([Candidate(f"{at}", at, at) for at in times], policy, now) if each.keep}
    oldest = max(now - at for at in times if f"{at}" in kept)
    assert oldest <= timedelta(days=horizon(policy) + 31)  # a week or month is not over at its newest backup


def test_three_monthly_backups_outlive_what_the_days_alone_would_leave_them() -> None:
    assert horizon(Retention(days=30, minimum=3, apart_hours=26)) == 30
    assert horizon(Retention(days=30, minimum=3, apart_hours=32 * 24)) == 96
    assert horizon(Retention(days=30, minimum=1, daily=7, apart_hours=7 * 24 + 2)) == 50


def test_the_rules_of_others_stay_as_they_are_and_our_old_ones_go() -> None:
    ours = rules("p", Retention())
    assert merged([THEIRS, STALE], ours) == [THEIRS, *ours]
    assert merged(merged([THEIRS], ours), ours) == [THEIRS, *ours]


def test_drift_names_each_rule_of_ours_and_no_other() -> None:
    ours = rules("p", Retention())
    assert drift([THEIRS, *ours], ours) == []
    changed = [THEIRS, STALE, {**ours[0], "Status": "Disabled"}, ours[1]]
    assert drift(changed, ours) == [
        "shoreline-uploads-abort is missing",
        "shoreline-backups-expire was changed",
        "shoreline-old should not be there",
    ]


def test_thirty_days_of_backups_stay_where_they_are() -> None:
    assert transition(Retention(days=30), PRICES, "us-east-1") is None
    assert transition(Retention(days=30, weekly=6), PRICES, "us-east-1") is None


def test_a_year_of_monthly_backups_moves_where_one_restore_and_the_move_cost_less_than_staying() -> None:
    policy = Retention(days=30, monthly=12)
    found = transition(policy, PRICES, "us-east-1")
    assert found is not None
    assert (found.storage_class, found.days) == ("GLACIER_IR", 30)
    months = Decimal(horizon(policy) - 30) / 30

    def saved(size: int) -> Decimal:
        gigabytes = Decimal(size) / 10**9

        def price(usage: str) -> Decimal:
            return PRICES.price(usage, "us-east-1").each

        stays = gigabytes * price("s3.storage.STANDARD") * months
        moves = gigabytes * (price("s3.storage.GLACIER_IR") * months + price("s3.retrieval.GLACIER_IR"))
        return stays - moves - price("s3.transition.GLACIER_IR")

    assert saved(found.larger_than) > 0
    kind = PRICES.storage_class("GLACIER_IR")
    assert found.larger_than == kind.minimum_bytes or saved(found.larger_than - 10) < 0


@pytest.mark.parametrize("region", PRICES.regions)
def test_a_region_without_these_prices_has_no_move(region: str) -> None:
    found = transition(Retention(days=30, monthly=36), PRICES, region)
    assert (found is not None) == PRICES.has("s3.transition.GLACIER_IR", region)
