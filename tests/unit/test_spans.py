"""An export is cut into whole days that fit into memory, and reads no more than it must."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.lake.partitions import SPAN_BYTES, SPAN_ROWS, cut_spans

FIRST = date(2025, 1, 1)


def days(*rows: int) -> dict[date, int]:
    return {FIRST + timedelta(number): count for number, count in enumerate(rows)}


@given(
    st.dictionaries(st.integers(0, 400), st.integers(1, 2 * SPAN_ROWS), min_size=1, max_size=60),
    st.sets(st.integers(0, 400)),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_every_day_is_in_one_span_and_no_span_reaches_over_a_day_that_is_not_wanted(
    rows: dict[int, int], skipped: set[int], indexed: bool, row_bytes: int
) -> None:
    wanted = {FIRST + timedelta(number): count for number, count in rows.items()}
    others = [FIRST + timedelta(number) for number in skipped - rows.keys()]
    spans = cut_spans(wanted, row_bytes=row_bytes, indexed=indexed, skipped=others)
    assert [day for span in sorted(spans, key=lambda span: span.first) for day in span.days] == sorted(wanted)
    assert not any(span.first <= day <= span.last for span in spans for day in others)
    limit = min(SPAN_ROWS, SPAN_BYTES // max(row_bytes, 1))
    assert all(span.sorted or span.rows <= limit for span in spans)


def test_small_days_are_read_together() -> None:
    assert len(cut_spans(days(*[1000] * 365), row_bytes=100, indexed=True)) == 1


def test_a_day_that_does_not_fit_into_memory_is_read_in_order() -> None:
    spans = cut_spans(days(10, SPAN_ROWS + 1, 10), row_bytes=100, indexed=True)
    assert [span.sorted for span in spans] == [False, True, False]


def test_wide_rows_make_short_spans() -> None:
    spans = cut_spans(days(1000, 1000), row_bytes=SPAN_BYTES // 1500, indexed=True)
    assert [(span.rows, span.sorted) for span in spans] == [(1000, False), (1000, False)]


def test_a_large_table_without_an_index_is_scanned_once() -> None:
    many = days(*[SPAN_ROWS] * 20)
    assert len(cut_spans(many, row_bytes=100, indexed=True)) == 20
    (span,) = cut_spans(many, row_bytes=100, indexed=False)
    assert span.sorted
    assert len(cut_spans(days(*[SPAN_ROWS] * 3), row_bytes=100, indexed=False)) == 3
