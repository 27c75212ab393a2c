"""Parts are equal while a stream is as large as expected, stay within S3's limits, and grow beyond the expectation."""

from __future__ import annotations

import os
import re
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.upload import _cut
from services.s3.multipart import LARGEST, MIB, SMALLEST, PartPlan

GB = 10**9
plans = st.builds(
    PartPlan,
    first=st.integers(SMALLEST, LARGEST),
    most=st.integers(1, 10_000),
    expected=st.integers(0, 50_000 * GB),
)


def parts_of(plan: PartPlan, size: int) -> list[int]:
    """The sizes of the parts that a stream of `size` bytes fills."""
    ends = accumulate(plan.size(number) for number in range(1, plan.most + 1))
    count = next(number for number, end in enumerate(ends, start=1) if end >= size)
    return [plan.size(number) for number in range(1, count + 1)]


@given(plans, st.data())
def test_part_sizes_never_shrink_nor_leave_s3_limits(plan: PartPlan, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, plan.most))
    assert SMALLEST <= plan.first <= plan.size(number) <= LARGEST
    assert plan.size(number) >= plan.size(max(1, number - 1))


def test_plan_without_an_expectation_holds_thirty_tebibytes() -> None:
    assert PartPlan().capacity > 30 << 40
    assert PartPlan(most=1000).capacity > 3 << 40


@given(st.integers(1, 40_000 * GB), st.sampled_from([1_000, 10_000]))
def test_parts_of_an_expected_stream_are_equal_and_leave_room(expected: int, most: int) -> None:
    plan = PartPlan(most=most, expected=min(expected, 4_000 * GB) if most == 1_000 else expected)
    equal_parts = -(-plan.expected // plan.equal_size)
    assert plan.size(1) == plan.size(equal_parts)
    assert equal_parts <= most * 0.81
    assert plan.capacity > plan.expected + (300 << 30)


def test_stream_twice_as_large_as_expected_needs_little_memory() -> None:
    assert parts_of(PartPlan(expected=100 * GB), 200 * GB)[-1] < 180 * MIB


def test_parts_stay_equal_when_a_database_grew_a_little() -> None:
    assert len(set(parts_of(PartPlan(expected=1_000 * GB), 1_090 * GB))) == 1


@pytest.mark.parametrize(("size", "largest"), [(4 * GB, 8 * MIB), (25 * GB, 24 * MIB), (1_000 * GB, 120 * MIB)])
def test_expected_stream_needs_little_memory(size: int, largest: int) -> None:
    assert parts_of(PartPlan(expected=size), size)[-1] <= largest


@pytest.mark.parametrize("block", [1, 1000, SMALLEST, SMALLEST + 1, 3 * SMALLEST])
def test_stream_is_cut_into_exactly_the_planned_sizes(block: int) -> None:
    text = os.urandom(1 << 16) * 320
    plan = PartPlan(first=SMALLEST, expected=len(text))
    blocks = (text[start : start + block] for start in range(0, len(text), block)) if block > 1 else iter([text])
    parts = list(_cut(blocks, plan))
    assert b"".join(parts) == text
    assert [len(part) for part in parts[:-1]] == [plan.equal_size] * (len(parts) - 1)


def test_documented_memory_is_what_the_plan_needs() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "backups.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) GB \| ([\d,]+) \| ([\d,]+) MB \| ([\d,]+) MB \|", page, re.MULTILINE)
    assert len(rows) >= 5
    for size, *documented in rows:
        wanted = int(size.replace(",", "")) * GB
        parts = parts_of(PartPlan(expected=wanted), wanted)
        part = parts[0]
        assert documented == [f"{len(parts):,}", f"{part / 10**6:,.0f}", f"{2 * part / 10**6:,.0f}"]
