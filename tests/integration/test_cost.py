"""`shoreline cost` for a database of one's own: by its size, or by the backups that are there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from services.postgres.client import Database
from tests.conftest import Shoreline


def test_the_backups_in_the_bucket_tell_size_and_compression(
    shoreline: Shoreline, execute: Callable[[str], None], database: Database
) -> None:
    execute("CREATE TABLE t AS SELECT n, md5(n::text) AS word FROM generate_series(1, 5000) AS n")
    made = shoreline("backup", "--json").json["result"]["backups"][0]
    result = shoreline("cost", "--from-backups", "--json", fresh=True).json["result"]
    assert result["basis"].startswith(f"1 backup of {database.name}: ")
    dumps = result["rows"][0]
    # thirty dumps of this size in Standard, and the requests of thirty uploads: cents of a cent
    stored = Decimal(30 * made["bytes"]) / 2**30 * Decimal("0.023")
    assert stored < Decimal(dumps["usd_monthly"]) < stored + Decimal("0.01")


def test_cost_from_backups_fails_without_backups(shoreline: Shoreline) -> None:
    outcome = shoreline("cost", "--from-backups")
    assert outcome.exit_code == 12
    assert "Run `shoreline backup` first" in outcome.errors


def test_cost_writes_the_analysis_to_the_output(shoreline: Shoreline, tmp_path: Path) -> None:
    outcome = shoreline(
        *("cost", "--size", "250GB", "--daily-change", "5%", "--keep", "14", "--output", "mine/costs.md"),
        env={"BUCKET": ""},
    )
    assert outcome.exit_code == 0, outcome.errors
    text = (tmp_path / "mine" / "costs.md").read_text()
    assert "a PostgreSQL database of 250 GB in us-east-1" in text
    assert "14 days, 5 % of the pages changing a day" in text
    assert len(list((tmp_path / "mine" / "costs-charts").glob("*.svg"))) == 7
    assert shoreline("cost", "--size", "250GB", "--output", "mine/costs.md", "--check").exit_code == 23


def test_unwritable_analysis_raises_folder_unusable(shoreline: Shoreline, tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("where a folder should be")
    outcome = shoreline("cost", "--size", "1GB", "--output", "a_file/costs.md")
    assert outcome.exit_code == 27
    assert "cannot be written" in outcome.errors


def test_cost_warns_below_the_minimum_retention_of_a_class(shoreline: Shoreline) -> None:
    outcome = shoreline("cost", "--size", "100GB", "--keep", "30", "--storage-class", "DEEP_ARCHIVE")
    assert outcome.exit_code == 0
    assert "! Glacier Deep Archive bills at least 180 days" in outcome.output


def test_comparison_names_a_missing_price_once(shoreline: Shoreline, tmp_path: Path) -> None:
    outcome = shoreline("cost", "--region", "eu-west-1")
    assert outcome.exit_code == 0, outcome.errors
    assert not list(tmp_path.rglob("*.md"))
    assert not list(tmp_path.rglob("*.svg"))
    assert outcome.output.count("No price is known for rds.backup in eu-west-1.") == 1
    table = outcome.output.split("!")[0].splitlines()
    assert len(table) == 1 + 3 * 4
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--region eu-west-1 --check", "--check looks at a written analysis"),
        ("--size -5GB", "'-5GB' is not a size"),
        ("--size 10", "'10' has no unit: write 500MB, 100GB"),
        ("--size 1.5", "'1.5' has no unit"),
        ("--size 0GB", "give a size above 0"),
        ("--size 1GB --daily-change much", "'much' is not a share"),
        ("--size 1GB --daily-change 101%", "give 0% to 100%"),
        ("--size 1GB --keep 0", "a whole number of days"),
        ("--size 1GB --region mars", "for the region 'mars'"),
        ("--size 1GB --storage-class TAPE", "'TAPE' is not a storage class: expected one of STANDARD"),
        ("--storage-class GLACIER --region eu-west-1", "No prices are known for GLACIER in eu-west-1; known: STANDARD"),
    ],
)
def test_bad_input_is_named_in_one_message(shoreline: Shoreline, arguments: str, message: str) -> None:
    outcome = shoreline("cost", *arguments.split())
    assert outcome.exit_code == 2
    assert message in outcome.errors
    assert "Traceback" not in outcome.errors
    assert outcome.output == ""
