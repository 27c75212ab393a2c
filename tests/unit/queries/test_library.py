"""The query files: each says what it answers, and each passes the guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import InputError, LakeError
from services.lake.tables import TABLES
from services.queries.catalog import catalog_of
from services.queries.guard import check
from services.queries.named import NamedQuery, find_query, named_queries, named_views

LAKE = catalog_of("saas_datalake", TABLES)


def test_each_named_query_asks_a_question() -> None:
    assert [query.name for query in named_queries() if "?" not in query.answers] == []


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
def test_each_named_query_selects_january(query: NamedQuery) -> None:
    assert all("year=2025 month=1" in str(selection.partitions) for selection in check(query.sql, LAKE).selections)


def test_query_is_found_by_number_name_path_or_text(tmp_path: Path) -> None:
    second = named_queries()[1]
    assert find_query("2") == find_query("02") == find_query("02_revenue_by_status") == second
    with pytest.raises(InputError, match="0"):
        find_query("0")
    path = tmp_path / "mine.sql"
    path.write_text("-- What is one?\n-- Nothing else.\nSELECT 1\n")
    assert (find_query(str(path)).answers, find_query(str(path)).name) == ("What is one? Nothing else.", "mine")
    assert find_query("SELECT 1").sql == "SELECT 1"


def test_unreadable_query_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_query(str(tmp_path / "none.sql"))
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        find_query(str(tmp_path / "binary.sql"))


def test_named_query_without_comment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "06_silent.sql").write_text("SELECT 1")
    with pytest.raises(LakeError, match="06_silent"):
        named_queries(tmp_path)


def test_views_are_files_named_after_them(tmp_path: Path) -> None:
    assert named_views(tmp_path / "none") == {}
    (tmp_path / "January.sql").write_text("SELECT * FROM orders WHERE month = 1;\n")
    assert named_views(tmp_path) == {"january": "SELECT * FROM orders WHERE month = 1;"}
