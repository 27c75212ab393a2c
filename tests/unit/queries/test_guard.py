"""The partition guard, held to its table of cases."""

from __future__ import annotations

import pytest

from services.errors import QueryRefused
from services.lake.partitions import PartitionKey
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.guard import PartitionFilterMissing, check
from tests.unit.queries import guard_cases
from tests.unit.queries.lake import LAKE


def _query(condition: str) -> str:
    return f"SELECT order_id FROM orders o WHERE {condition}"


ALLOWED = [
    *((name, _query(condition), expected) for name, condition, expected in guard_cases.CONDITIONS_ALLOWED),
    *guard_cases.ALLOWED,
]
REFUSED = [
    *((name, _query(condition), words) for name, condition, words in guard_cases.CONDITIONS_REFUSED),
    *guard_cases.REFUSED,
]


@pytest.mark.parametrize(("sql", "expected"), [case[1:] for case in ALLOWED], ids=[case[0] for case in ALLOWED])
def test_a_query_whose_scans_are_all_filtered_is_allowed_and_selects_just_those_partitions(
    sql: str, expected: str
) -> None:
    assert "; ".join(str(selection.partitions) for selection in check(sql, LAKE).selections) == expected


@pytest.mark.parametrize(("sql", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_query_that_could_scan_a_whole_table_or_do_anything_else_is_refused_with_the_reason(
    sql: str, words: str
) -> None:
    with pytest.raises(QueryRefused) as refused:
        check(sql, LAKE)
    assert words in str(refused.value)
    assert refused.value.next_step


def _refusal(sql: str) -> str:
    with pytest.raises(PartitionFilterMissing) as refused:
        check(sql, LAKE)
    return str(refused.value)


def test_the_refusal_names_the_table_marks_its_place_and_says_the_filter_to_add() -> None:
    message = _refusal("WITH january AS (\n  SELECT user_id\n  FROM orders AS o\n)\nSELECT * FROM january")
    assert "orders AS o, line 3, column 8 (CTE january):" in message
    assert "  3 |   FROM orders AS o\n    |        ^^^^^^\n" in message
    assert "add: o.year = 2025 AND o.month = 1 AND o.day = 1" in message


def test_the_example_filter_of_a_table_of_other_years_is_one_of_its_years() -> None:
    keys = (PartitionKey("year", 1996, 2008, 4), *LAKE.tables["orders"].keys[1:])
    sales = LakeCatalog("lake", {"sales": TableSchema("sales", {"id": "bigint"}, keys)})
    with pytest.raises(QueryRefused, match=r"add: sales\.year = 1996 AND sales\.month = 1"):
        check("SELECT count(*) FROM sales", sales)


def test_the_refusal_shows_the_place_inside_a_view_in_the_views_own_text() -> None:
    message = _refusal("SELECT *\nFROM all_orders")
    assert "orders, line 1, column 15 (view all_orders):" in message
    assert "  1 | SELECT * FROM orders\n" in message


@pytest.mark.parametrize(
    ("condition", "advice"),
    [
        ("month = '01' AND CAST(year AS varchar) = '2025'", "o.year = 2025 AND o.month = 1"),
        ("year(created_at) = 2025 AND month(created_at) = 3", "o.year = 2025 AND o.month = 3"),
        (
            "created_at >= TIMESTAMP '2025-01-10 00:00:00' AND created_at < TIMESTAMP '2025-01-11 00:00:00'",
            "o.year = 2025 AND o.month = 1 AND o.day = 10",
        ),
        ("created_at > TIMESTAMP '2025-01-10 00:00:00'", "o.year >= 2025"),
        ("created_at < TIMESTAMP '2025-01-01 00:00:00'", "o.year <= 2024"),
        ("created_at > TIMESTAMP '2024-01-10 00:00:00'", "o.year = 2025 AND o.month = 1 AND o.day = 1"),
        ("date(created_at) = DATE '2025-03-01'", "o.year = 2025 AND o.month = 3 AND o.day = 1"),
        (
            "created_at BETWEEN TIMESTAMP '2025-01-10 00:00:00' AND TIMESTAMP '2025-01-12 12:00:00'",
            "o.year = 2025 AND o.month = 1 AND o.day BETWEEN 10 AND 12",
        ),
        (
            "DATE '2025-02-01' <= created_at AND created_at < DATE '2025-04-01'",
            "o.year = 2025 AND o.month BETWEEN 2 AND 3",
        ),
        (
            "created_at > TIMESTAMP '2024-12-30 00:00:00' AND created_at <= TIMESTAMP '2025-01-02 00:00:00'",
            "o.year BETWEEN 2024 AND 2025",
        ),
    ],
)
def test_the_filter_to_add_is_read_from_what_the_query_means(condition: str, advice: str) -> None:
    message = _refusal(_query(condition))
    assert f"add: {advice}" in message.splitlines()[-1]
    check(_query(f"{condition} AND {advice}"), LAKE)


def test_the_filter_to_add_follows_the_other_scan_of_a_join() -> None:
    message = _refusal(
        "SELECT 1 FROM orders o JOIN events e ON o.user_id = e.user_id WHERE o.year = 2025 AND o.month IN (1, 2)"
    )
    assert message.endswith("add: e.year = 2025 AND e.month IN (1, 2)")


@pytest.mark.parametrize("condition", [case[1] for case in guard_cases.CONDITIONS_REFUSED])
def test_a_refused_query_passes_once_the_filter_to_add_is_added(condition: str) -> None:
    advice = _refusal(_query(condition)).splitlines()[-1].removeprefix("  add: ")
    assert check(_query(f"({condition}) AND {advice}"), LAKE).selections


def test_a_condition_nested_a_thousand_deep_is_answered_without_a_traceback() -> None:
    many = " OR ".join(f"year = {2000 + n % 30}" for n in range(3000))
    assert str(check(_query(f"({many}) AND month = 1"), LAKE).selections[0].partitions) == "year=2024..2029 month=1"
    deep = "(" * 2000 + "year = 2025" + ")" * 2000
    with pytest.raises(QueryRefused, match="nested too deeply"):
        check(_query(deep), LAKE)
