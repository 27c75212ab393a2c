"""Sizes, times and money as a person reads them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from services import formatting


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (1946, "1.9 KB"), (99_960, "100 KB"), (999_499, "999 KB"),
     (999_600, "1.0 MB"), (302_000_000, "302 MB"), (78 * 10**9, "78.0 GB"), (5 * 10**18, "5,000 PB")],
)  # fmt: skip
def test_sizes_are_in_powers_of_a_thousand_with_three_figures_at_most(count: int, shown: str) -> None:
    assert formatting.size(count) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.04, "40 ms"), (0.9999, "1.0 s"), (3.21, "3.2 s"), (59.99, "1 min 00 s"), (250, "4 min 10 s"),
     (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations_have_the_unit_that_fits(value: float, shown: str) -> None:
    assert formatting.seconds(value) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("12.346", "$12.35"), ("0.00005", "$0.000050"), ("1234.5", "$1,234.50"), ("0.0131", "$0.013")],
)
def test_money_keeps_two_figures_however_small(amount: str, shown: str) -> None:
    assert formatting.money(Decimal(amount)) == shown


def test_ages_and_counts_read_as_words() -> None:
    assert formatting.age(timedelta(days=12)) == "12 days"
    assert formatting.age(timedelta(hours=3, minutes=59)) == "3 h"
    assert formatting.age(timedelta(hours=30)) == "30 h"
    assert formatting.age(timedelta(seconds=-5)) == "0 s"
    assert formatting.count(1, "row") == "1 row"
    assert formatting.count(1200, "row") == "1,200 rows"
    assert formatting.count(2, "entry", "entries") == "2 entries"
