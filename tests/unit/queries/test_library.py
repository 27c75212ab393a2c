"""The query files: each says what it answers, and each passes the guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InputError, LakeError
from services.lake.tables import TABLES
from services.queries.catalog import catalog_of
from services.queries.guard import check
from services.queries.named import NamedQuery, named_queries, named_views, query_text

LAKE = catalog_of("saas_datalake", TABLES)


def test_each_named_query_opens_with_its_question() -> None:
    assert [query.name for query in named_queries() if "?" not in query.answers] == []


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
def test_each_named_query_is_held_to_its_partitions(query: NamedQuery) -> None:
    assert all("year=2025 month=1" in str(selection.partitions) for selection in check(query.sql, LAKE).selections)


def test_a_query_is_found_by_number_by_name_by_path_and_as_text(tmp_path: Path) -> None:
    second = named_queries()[1]
    assert query_text("02") == query_text("02_revenue_by_status") == second
    path = tmp_path / "mine.sql"
    path.write_text("-- What is one?\n-- Nothing else.\nSELECT 1\n")
    assert (query_text(str(path)).answers, query_text(str(path)).name) == ("What is one? Nothing else.", "mine")
    assert query_text("SELECT 1").sql == "SELECT 1"


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        query_text(str(tmp_path / "none.sql"))
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text file"):
        query_text(str(tmp_path / "binary.sql"))


def test_a_named_query_that_does_not_say_what_it_answers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "06_silent.sql").write_text("SELECT 1")
    with pytest.raises(LakeError, match="06_silent"):
        named_queries(tmp_path)


def test_views_are_files_named_after_them(tmp_path: Path) -> None:
    assert named_views(tmp_path / "none") == {}
    (tmp_path / "January.sql").write_text("SELECT * FROM orders WHERE month = 1;\n")
    assert named_views(tmp_path) == {"january": "SELECT * FROM orders WHERE month = 1;"}
