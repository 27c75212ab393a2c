"""What parser and translator cannot take is refused with a reason, and never ends as a bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import QueryRefused
from services.queries.guard.statement import MAX_QUERY_BYTES, NotOneSelect, QueryNotUnderstood, parse, understood
from services.queries.offline.refusals import AthenaRefuses, NotAnsweredOffline
from services.queries.prediction import predict
from tests.unit.queries.fuzz_cases import CASES
from tests.unit.queries.lake import LAKE
from tests.unit.queries.offline import answer, offline


@pytest.mark.parametrize("sql", CASES)
def test_query_that_crashed_once_is_refused(sql: str, sample: Path) -> None:
    with offline(sample) as engine, pytest.raises(QueryRefused):
        answer(engine, sql)


@pytest.mark.parametrize("error", [KeyError("start"), AssertionError(), AttributeError("x"), RecursionError()])
def test_exception_of_the_parser_becomes_a_refusal(error: Exception) -> None:
    @understood("read")
    def failing() -> None:
        raise error

    with pytest.raises(QueryNotUnderstood) as refused:
        failing()
    assert refused.value.exit_code == 17


def test_text_longer_than_athena_takes_is_refused() -> None:
    with pytest.raises(NotOneSelect, match="262,144"):
        parse("SELECT 1 -- " + "x" * MAX_QUERY_BYTES)


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("substr('a')", "1 argument"),
        ("length('a', 5)", "2 arguments"),
        ("split_part('a', 'b', 1, 2)", "4 arguments"),
        ("row_number(1) OVER ()", "1 argument"),
        ("date_trunc('day', DATE '2025-01-10', 'UTC')", "3 arguments"),
    ],
)
def test_call_with_wrong_number_of_arguments_is_refused(call: str, given: str, tmp_path: Path) -> None:
    with offline(tmp_path) as engine, pytest.raises(AthenaRefuses, match=given):
        answer(engine, f"SELECT {call} AS x")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT substring('abc' FROM 2 FOR 1)",
        "SELECT substr('a, b', 1, length('(,'))",
        "WITH rank(a, b) AS (SELECT 1, 2) SELECT a, b FROM rank",
        "SELECT max(x) FROM (VALUES (1, 2)) AS length(x, y)",
        "SELECT count(*), count() FROM (VALUES 1) t(x)",
    ],
)
def test_call_with_right_number_of_arguments_is_answered(sql: str, tmp_path: Path) -> None:
    with offline(tmp_path) as engine:
        answer(engine, sql)


def test_nested_replace_that_makes_huge_text_is_refused(tmp_path: Path) -> None:
    text = "'aaaaaaaa'"
    for _ in range(9):
        text = f"replace({text}, 'a', 'aaaaaaaaaa')"
    with offline(tmp_path) as engine, pytest.raises(NotAnsweredOffline, match="1,000"):
        answer(engine, f"SELECT length({text})")


def test_many_replaces_of_one_letter_are_answered(tmp_path: Path) -> None:
    text = "'abcdefghij'"
    for letter in "abcdefghij":
        text = f"replace({text}, '{letter}', '-')"
    with offline(tmp_path) as engine:
        assert answer(engine, f"SELECT {text} AS x").rows.to_pylist() == [{"x": "-" * 10}]


def test_query_that_the_parser_never_finishes_is_refused(monkeypatch: pytest.MonkeyPatch, sample: Path) -> None:
    monkeypatch.setattr("services.queries.prediction.PLANNING_SECONDS", 0.2)
    sql = f"SELECT {'ARRAY[' * 18}1{']' * 18}"  # each level takes the parser twice as long
    with offline(sample) as engine, pytest.raises(QueryNotUnderstood, match="complex"):
        predict(sql, LAKE, engine.lake)
