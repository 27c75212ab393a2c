"""The offline engine: Athena's answers from DuckDB, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import QueryFailed
from services.queries.offline.context import RULES
from services.queries.offline.engine import DuckDbEngine
from services.queries.offline.refusals import AthenaRefuses, NotAnsweredOffline
from services.queries.offline.types import of_athena
from tests.unit.queries.offline import answer, offline
from tests.unit.queries.offline_cases import ANSWERS, ATHENA_REFUSES, FAILS, REFUSED

DOCUMENT = Path(__file__).parents[3] / "docs" / "athena-offline.md"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbEngine]:
    with offline(tmp_path_factory.mktemp("empty")) as made:
        yield made


@pytest.mark.parametrize(("expression", "value", "kind"), ANSWERS, ids=[case[0] for case in ANSWERS])
def test_an_expression_has_the_value_and_the_type_that_athena_gives(
    expression: str, value: str, kind: str, engine: DuckDbEngine
) -> None:
    rows = answer(engine, f"SELECT {expression} AS x").rows
    assert str(rows["x"][0].as_py()) == value
    assert rows.schema.field("x").type == of_athena(kind).arrow


@pytest.mark.parametrize(("expression", "words"), FAILS, ids=[case[0] for case in FAILS])
def test_what_fails_in_athena_fails_here_with_its_reason(expression: str, words: str, engine: DuckDbEngine) -> None:
    with pytest.raises(QueryFailed, match=words):
        answer(engine, f"SELECT {expression} AS x")


@pytest.mark.parametrize(("expression", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_not_known_to_be_answered_alike_is_refused(expression: str, words: str, engine: DuckDbEngine) -> None:
    with pytest.raises(NotAnsweredOffline) as refused:
        answer(engine, f"SELECT {expression} AS x")
    assert words in str(refused.value)


@pytest.mark.parametrize(("expression", "words"), ATHENA_REFUSES, ids=[case[0] for case in ATHENA_REFUSES])
def test_what_athena_refuses_and_duckdb_would_answer_is_refused(
    expression: str, words: str, engine: DuckDbEngine
) -> None:
    with pytest.raises(AthenaRefuses) as refused:
        answer(engine, f"SELECT {expression} AS x")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1 UNION SELECT 'a'", "would be integer and varchar"),
        ("SELECT 1 FROM (VALUES 1) t(x) WHERE x", "a condition must be boolean"),
        ("SELECT 1 FROM (VALUES 1) t(x) JOIN (VALUES 'a') u(y) ON x = y", "it compares integer with varchar"),
        ("SELECT 1 FROM (VALUES 1, 'a') t(x)", "it combines integer and varchar"),
        ("SELECT 1 WHERE 1 IN (SELECT 'a')", "it looks for integer among varchar"),
        ("SELECT x FROM (VALUES 1) t(x) GROUP BY x HAVING x", "a condition must be boolean"),
        ("SELECT count(*) FROM (VALUES 1) t(x) GROUP BY ROLLUP (x + 1)", "must be columns"),
        ("SELECT x, count(*) FROM (VALUES 1) t(x) GROUP BY CUBE (1)", "must be columns"),
    ],
)
def test_athenas_type_rules_hold_in_every_clause(sql: str, words: str, engine: DuckDbEngine) -> None:
    with pytest.raises(AthenaRefuses) as refused:
        answer(engine, sql)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("grouping", "counted"),
    [
        ("ROLLUP (x, y)", {("a", 1): 1, ("a", 2): 1, ("b", 1): 1, ("a", None): 2, ("b", None): 1, (None, None): 3}),
        ("CUBE (x)", {("a", None): 2, ("b", None): 1, (None, None): 3}),
        ("GROUPING SETS ((x), (y), ())", {("a", None): 2, ("b", None): 1, (None, 1): 2, (None, 2): 1, (None, None): 3}),
        ("x, ROLLUP (y)", {("a", 1): 1, ("a", 2): 1, ("b", 1): 1, ("a", None): 2, ("b", None): 1}),
    ],
)
def test_grouping_sets_are_those_of_athena(
    grouping: str, counted: dict[tuple[str | None, int | None], int], engine: DuckDbEngine
) -> None:
    y = "y" if "y" in grouping else "NULL"
    sql = f"SELECT x, {y} AS y, count(*) AS n FROM (VALUES ('a', 1), ('a', 2), ('b', 1)) t(x, y) GROUP BY {grouping}"
    rows = answer(engine, sql).rows.to_pylist()
    assert {(row["x"], row["y"]): row["n"] for row in rows} == counted
    assert len(rows) == len(counted)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t", "RECURSIVE"),
        ("SELECT x FROM (VALUES 1) t(x) FETCH FIRST 1 ROW WITH TIES", "WITH TIES"),
        ("SELECT x FROM UNNEST(ARRAY[1]) AS t(x)", "not mapped"),
    ],
)
def test_clauses_that_are_not_mapped_are_refused(sql: str, words: str, engine: DuckDbEngine) -> None:
    with pytest.raises(NotAnsweredOffline) as refused:
        answer(engine, sql)
    assert words in str(refused.value)


def test_columns_without_a_name_are_called_as_athena_calls_them(engine: DuckDbEngine) -> None:
    rows = answer(engine, "SELECT 1, count(*), 'a' AS b, x FROM (VALUES 1) t(x) GROUP BY x").rows
    assert rows.column_names == ["_col0", "_col1", "b", "x"]


def test_an_alias_is_known_in_order_by_and_nowhere_else(engine: DuckDbEngine) -> None:
    rows = answer(engine, "SELECT x AS n FROM (VALUES 1, 3, 2) t(x) ORDER BY n DESC").rows
    assert rows["n"].to_pylist() == [3, 2, 1]


def test_every_function_that_is_answered_stands_in_the_published_list() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").lower()
    missing = sorted(kind.__name__ for kind in RULES if f"`{kind.__name__.lower()}`" not in text)
    assert missing == []
