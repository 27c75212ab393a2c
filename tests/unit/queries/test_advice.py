"""The guard's advice never changes an answer, and only partitions that exist decide whether a filter counts."""

from __future__ import annotations

import pytest

from services.queries.guard import PartitionFilterMissing, check
from services.queries.prediction import LakeFiles, predict
from tests.unit.queries.lake import LAKE


def refusal(sql: str) -> str:
    with pytest.raises(PartitionFilterMissing) as refused:
        check(sql, LAKE)
    return str(refused.value)


def test_filter_in_on_of_left_join_is_advised_as_subquery() -> None:
    text = refusal(
        "SELECT o.user_id, count(e.event_id) FROM orders o LEFT JOIN events e ON o.user_id = e.user_id"
        " AND e.year = 2025 AND e.month = 2 WHERE o.year = 2025 AND o.month = 1 GROUP BY o.user_id"
    )
    assert "(SELECT * FROM events AS e WHERE e.year = 2025 AND e.month = 2) AS e" in text
    assert "add:" not in text
    assert "belongs in WHERE" not in text


def test_filter_in_on_of_inner_join_is_advised_for_where() -> None:
    text = refusal(
        "SELECT count(*) FROM orders o JOIN events e ON o.user_id = e.user_id AND e.month = 2 WHERE o.month = 1"
    )
    assert "add: e.month = 2" in text


@pytest.mark.parametrize("condition", ["year = 2024 + 1", "month = month(date_add('day', -1, current_date))"])
def test_number_inside_an_expression_is_no_advice(condition: str) -> None:
    text = refusal(f"SELECT count(*) FROM orders WHERE {condition}")
    assert "add: orders.year = 2024" not in text
    assert "add: orders.month = 1" not in text


@pytest.mark.parametrize(
    "condition", ["NOT (month = 2 AND day = 30)", "year <> 2030", "year < 2030", "day <> 31", "month <> 12"]
)
def test_filter_that_excludes_no_existing_partition_is_refused(condition: str, lake: LakeFiles) -> None:
    with pytest.raises(PartitionFilterMissing, match=r"orders\.year = 2025"):
        predict(f"SELECT count(*) FROM orders WHERE {condition}", LAKE, lake)


@pytest.mark.parametrize("condition", ["year = 2025", "day <> 10", "month <= 6"])
def test_filter_that_limits_the_scan_is_allowed(condition: str, lake: LakeFiles) -> None:
    predict(f"SELECT count(*) FROM orders WHERE {condition}", LAKE, lake)
