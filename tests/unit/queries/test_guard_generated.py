"""The guard against DuckDB: queries that nobody wrote, whose answer is known by evaluating them."""

from __future__ import annotations

from functools import cache

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from services.lake.partitions import PartitionKey
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.guard import Selection, judge

KEYS = (PartitionKey("year", 2024, 2026, 4), PartitionKey("month", 1, 4, 2), PartitionKey("day", 1, 3, 2))
UNKNOWNS = ("a", "b")
COLUMNS = {"id": "bigint", **dict.fromkeys(UNKNOWNS, "boolean")}
LAKE = LakeCatalog("lake", {name: TableSchema(name, COLUMNS, KEYS) for name in ("orders", "events")})
EVERYTHING = 3 * 4 * 3

_operators = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])


@st.composite
def _atoms(draw: st.DrawFn, prefix: str) -> str:
    key = draw(st.sampled_from(KEYS))
    name = f"{prefix}{key.name}"
    value = st.integers(key.first - 1, key.last + 1)
    values = st.lists(st.one_of(value, value, st.just("NULL")), min_size=1, max_size=4)
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return f"{name} {draw(st.sampled_from(['IN', 'NOT IN']))} ({', '.join(map(str, draw(values)))})"
    if kind == 1:
        return f"{name} {draw(st.sampled_from(['', 'NOT ']))}BETWEEN {draw(value)} AND {draw(value)}"
    if kind == 2:
        return f"{name} IS {draw(st.sampled_from(['', 'NOT ']))}NULL"
    if kind == 3:
        return draw(st.sampled_from(["TRUE", "FALSE", "NULL", "1 = 1", "2 < 1", "NULL = 1"]))
    if kind == 4:
        return f"{draw(value)} {draw(_operators)} {name}"
    return f"{name} {draw(_operators)} {draw(value)}"


@st.composite
def conditions(draw: st.DrawFn, prefix: str = "", *, unknowns: bool = True) -> str:
    """A condition over the keys and, each at most once, over boolean columns that the guard cannot know."""
    left = list(UNKNOWNS) if unknowns else []

    def grow(depth: int) -> str:
        kind = draw(st.integers(0, 5 if depth else 1))
        if kind == 0 and left:
            return f"{prefix}{left.pop()}"
        if kind <= 2:
            return draw(_atoms(prefix))
        if kind == 3:
            return f"NOT ({grow(depth - 1)})"
        word = " AND " if kind == 4 else " OR "
        return word.join(f"({grow(depth - 1)})" for _ in range(draw(st.integers(2, 3))))

    return grow(3)


@cache
def _rows() -> duckdb.DuckDBPyConnection:
    """Every possible partition with every value that the unknown columns can have."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE possible AS SELECT 1 AS id, year, month, day, a, b FROM range(2024, 2027) y(year), "
        "range(1, 5) m(month), range(1, 4) d(day), (VALUES (TRUE), (FALSE), (NULL)) t(a), "
        "(VALUES (TRUE), (FALSE), (NULL)) u(b)"
    )
    return connection


def _selected(condition: str) -> set[tuple[int, ...]]:
    return set(_rows().execute(f"SELECT DISTINCT year, month, day FROM possible WHERE {condition}").fetchall())


@settings(max_examples=150)
@given(conditions())
def test_a_scan_selects_exactly_the_partitions_where_its_condition_can_hold(condition: str) -> None:
    selection = judge(f"SELECT id FROM orders WHERE {condition}", LAKE).selections[0]
    expected = _selected(condition)
    assert set(selection.partitions) == expected
    assert selection.counts == (len(expected) < EVERYTHING)


SHAPES = (
    "SELECT id FROM orders WHERE {0} UNION ALL SELECT id FROM events WHERE {1}",
    "WITH c AS (SELECT id FROM orders WHERE {0}) SELECT 1 FROM c JOIN (SELECT id FROM events WHERE {1}) e USING (id)",
    "SELECT 1 FROM (SELECT * FROM orders WHERE {0}) o WHERE EXISTS (SELECT 1 FROM events WHERE {1})",
    "WITH unused AS (SELECT * FROM orders WHERE {0}) SELECT (SELECT count(*) FROM events WHERE {1})",
    "SELECT 1 FROM (VALUES 1), LATERAL (SELECT 1 FROM orders WHERE {0}) WHERE 1 IN (SELECT id FROM events WHERE {1})",
    "SELECT * FROM (SELECT * FROM orders WHERE {0}) o, (SELECT * FROM events WHERE {1}) e WHERE o.year = 2025",
)


@settings(max_examples=100)
@given(st.sampled_from(SHAPES), conditions(), conditions())
def test_every_scan_of_a_query_is_judged_by_its_own_condition_alone(shape: str, first: str, second: str) -> None:
    judged = judge(shape.format(first, second), LAKE)
    assert [set(selection.partitions) for selection in judged.selections] == [_selected(first), _selected(second)]
    assert [selection.counts for selection in judged.selections] == [
        len(_selected(condition)) < EVERYTHING for condition in (first, second)
    ]


@cache
def _joinable() -> duckdb.DuckDBPyConnection:
    """Two tables of sparse rows, some with partners in the other table and some without."""
    connection = duckdb.connect()
    for name, divisor in (("orders", 3), ("events", 4)):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT (year * 7 + month * 3 + day) % 11 AS id, year, month, day, "
            f"(year + day) % 2 = 0 AS a, CASE WHEN month % 2 = 0 THEN day = 1 END AS b FROM range(2024, 2027) y(year), "
            f"range(1, 5) m(month), range(1, 4) d(day) WHERE (year + month * 5 + day) % {divisor} = 0"
        )
    return connection


@settings(max_examples=100)
@given(
    st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]),
    st.sampled_from(["o.id = e.id", "o.id = e.id AND e.month = 2", "o.id = e.id AND o.day = 1"]),
    st.sampled_from([" AND ", " OR "]),
    conditions("o."),
    conditions("e."),
)
def test_reading_only_the_selected_partitions_never_changes_the_answer_of_a_join(
    join: str, on: str, word: str, first: str, second: str
) -> None:
    connection = _joinable()
    body = f"{join} {{1}} e ON {on} WHERE ({first}){word}({second})"
    whole = f"SELECT o.*, e.* FROM {{0}} o {body}"
    judged = judge(whole.format("orders", "events"), LAKE)
    pruned = [
        f"(SELECT * FROM {selection.scan.table.name} WHERE (year, month, day) IN (SELECT unnest({_list(selection)})))"
        for selection in judged.selections
    ]
    expected = connection.execute(whole.format("orders", "events")).fetchall()
    found = connection.execute(whole.format(*pruned)).fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def _list(selection: Selection) -> str:
    rows = ", ".join(map(str, selection.partitions))
    return f"[{rows}]" if rows else "[(0, 0, 0)]"
