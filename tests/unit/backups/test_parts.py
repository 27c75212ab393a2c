"""Parts grow with the stream, stay within S3's limits, and stay small for as long as the stream is."""

from __future__ import annotations

import re
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.stream import BLOCK
from services.s3.multipart import LARGEST, MIB, S3_LARGEST, SMALLEST, PartPlan

plans = st.builds(PartPlan, first=st.integers(SMALLEST, LARGEST), most=st.integers(1, 10_000))


@given(plans, st.data())
def test_every_part_is_one_that_s3_takes_and_none_is_smaller_than_the_one_before(
    plan: PartPlan, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, plan.most))
    assert SMALLEST <= plan.first <= plan.size(number) <= S3_LARGEST - 4 * BLOCK  # the last block may reach beyond
    assert plan.size(number) >= plan.size(max(1, number - 1))


def test_what_s3_could_hold_at_its_old_limit_fits_and_thirty_tebibytes_do() -> None:
    assert PartPlan().capacity > 30 << 40
    assert PartPlan(most=1000).capacity > 3 << 40


def test_ten_thousand_and_one_parts_of_the_first_size_fit_in_ten_thousand() -> None:
    plan = PartPlan(first=SMALLEST)
    sent = list(accumulate(plan.size(number) for number in range(1, plan.most + 1)))
    needed = next(number for number, total in enumerate(sent, start=1) if total >= 10_001 * SMALLEST)
    assert needed < 2_500


@pytest.mark.parametrize(("sent", "largest"), [(400_000_000, 9 * MIB), (4_000_000_000, 12 * MIB)])
def test_a_database_of_one_or_ten_gigabytes_needs_little_memory(sent: int, largest: int) -> None:
    plan, total, number = PartPlan(), 0, 0
    while total < sent:
        number += 1
        total += plan.size(number)
    assert plan.size(number) < largest


def test_the_table_of_memory_in_the_documentation_is_what_the_plan_gives() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "backups.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) GB \| ([\d,]+) \| ([\d,]+) MB \| ([\d.]+) GB \|", page, re.MULTILINE)
    assert len(rows) == 7
    plan = PartPlan()
    sent = list(accumulate(plan.size(number) for number in range(1, plan.most + 1)))
    for size, *told in rows:
        wanted = int(size.replace(",", "")) * 10**9
        last = next(number for number, total in enumerate(sent, start=1) if total >= wanted)
        part = plan.size(last)
        assert told == [f"{last:,}", f"{part / 10**6:,.0f}", f"{3 * part / 10**9:.2f}"]
