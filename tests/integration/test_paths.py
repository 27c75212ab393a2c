"""No key, name or path leads out of where it belongs, and no identifier into another statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline

WRONG_SETTING = 2
NASTY = 'a"; DROP DATABASE postgres; --'


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BACKUP_PREFIX", "../other"),
        ("LAKE_PREFIX", "datalake/../backups"),
        ("ATHENA_RESULTS_PREFIX", "/"),
        ("LAKE_PREFIX", "datalake//x"),
        ("BUCKET", "../bucket"),
        ("BUCKET", "bucket/datalake"),
        ("ATHENA_DATABASE", "a; DROP TABLE b"),
        ("ATHENA_DATABASE", "../default"),
        ("ATHENA_WORKGROUP", "shoreline/../primary"),
    ],
)
def test_a_prefix_or_name_that_leads_elsewhere_is_refused_before_anything_is_asked(
    shoreline: Shoreline, variable: str, value: str
) -> None:
    outcome = shoreline("cleanup", "--yes", env={variable: value, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert outcome.exit_code == WRONG_SETTING
    assert variable in outcome.errors


@pytest.mark.usefixtures("database")
def test_keys_of_the_bucket_never_lead_to_other_local_files(shoreline: Shoreline, storage: Storage) -> None:
    """A key is no backup unless it matches the naming exactly, whatever it contains."""
    for key in ("backups/postgres/../../etc/passwd", "backups/postgres/2025/06/10/../../../x.sql.gz"):
        storage.put(key, b"planted")
    outcome = shoreline("backups", "--json", fresh=True)
    assert outcome.exit_code == 0, outcome.errors
    assert "planted" not in outcome.output
    assert "passwd" not in outcome.output
    restored = shoreline("restore", "backups/postgres/../../etc/passwd", "--into", "nowhere")
    assert restored.exit_code != 0
    assert "Traceback" not in restored.errors


@pytest.mark.parametrize(
    "table", ["../orders", "a.b.c:d", 'orders"; DROP TABLE users; --:created_at', "public.orders/../x:t"]
)
@pytest.mark.usefixtures("database")
def test_a_table_to_export_is_an_identifier_and_no_path_or_statement(
    shoreline: Shoreline, tmp_path: Path, table: str
) -> None:
    outcome = shoreline("export", "--table", table)
    assert outcome.exit_code not in {0, 1}, outcome.errors
    assert "Traceback" not in outcome.errors
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".parquet"]


def test_a_database_of_any_name_is_an_identifier_to_postgresql(database: Database) -> None:
    odd = database.sibling(NASTY)
    odd.create()
    try:
        assert odd.exists()
        assert odd.scalar("SELECT current_database()") == NASTY
    finally:
        odd.drop()
    assert not odd.exists()
    assert database.sibling("postgres").exists()
