"""Later versions read what each version has written: backups, leases, the lake, receipts, the scheduler's state."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.lake.record import ExportRecord
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.contracts.stored import STORED, load

BACKUPS = "backups/postgres"


@pytest.fixture(params=sorted(STORED.iterdir()), ids=lambda path: path.name)
def stored(request: pytest.FixtureRequest, storage: Storage) -> Path:
    """What a version wrote, with its objects in the test's bucket."""
    folder: Path = request.param
    load(folder, storage)
    return folder


def _read(folder: Path, pattern: str) -> list[Any]:
    """Return the kept objects whose keys match, in their order."""
    return [json.loads(path.read_bytes()) for path in sorted((folder / "bucket").glob(pattern))]


def _database(folder: Path) -> str:
    """Return the name of the database whose backups lie in no folder of their own."""
    name: str = _read(folder, f"{BACKUPS}/2*/*/*/*.manifest.json")[0]["database"]
    return name


def test_stored_backups_are_listed_whole(stored: Path, shoreline: Shoreline) -> None:
    manifests = _read(stored, "backups/**/*.manifest.json")
    result = shoreline("backups", "--json").json["result"]
    assert result["damaged"] == []
    assert sorted(found["bytes"] for found in result["backups"]) == sorted(
        found["object"]["bytes"] + found["globals"]["bytes"] for found in manifests
    )
    assert [found["drill_ok"] for found in result["backups"]].count(True) == len(
        _read(stored, "backups/**/*.drill.json")
    )


def test_stored_backup_passes_a_drill(stored: Path, shoreline: Shoreline) -> None:
    outcome = shoreline("drill", "--json", env={"PGDATABASE": _database(stored)})
    assert outcome.exit_code == 0, outcome.output
    assert outcome.json["result"]["record"]["rows"] > 0


def test_stored_lease_is_taken_with_a_higher_token(
    stored: Path, shoreline: Shoreline, storage: Storage, database: Database
) -> None:
    (before,) = _read(stored, f"{BACKUPS}/lease.json")
    assert shoreline("backup").exit_code == 0
    assert json.loads(storage.read(f"{BACKUPS}/lease.json") or b"")["token"] > before["token"]


def test_stored_lake_answers_a_query(stored: Path, shoreline: Shoreline) -> None:
    (manifest,) = _read(stored, "datalake/_manifest/invoices.json")
    query = "SELECT count(*) AS n FROM invoices WHERE year = 2025 AND month = 1"
    outcome = shoreline("query", query, "--json")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.json["result"]["rows"] == [[sum(file["rows"] for file in manifest["files"].values())]]


def test_stored_journal_is_recovered_by_compact(stored: Path, shoreline: Shoreline, storage: Storage) -> None:
    journal = "datalake/_manifest/compact.journal.json"
    assert storage.read(journal) is not None
    outcome = shoreline("compact", "--json")
    assert outcome.exit_code == 0, outcome.output
    assert storage.read(journal) is None


def test_stored_export_record_is_read(stored: Path) -> None:
    path = stored / "bucket" / "datalake" / "_manifest" / "invoices.export.json"
    (expected,) = _read(stored, "datalake/_manifest/invoices.export.json")
    record = ExportRecord.from_json(path.read_bytes(), str(path))
    assert {day.isoformat(): found.rows for day, found in record.days.items()} == {
        day: rows for day, (rows, _) in expected["days"].items()
    }


def test_stored_receipts_are_added_up(stored: Path, shoreline: Shoreline) -> None:
    kept = list((stored / "receipts").glob("*.json"))
    result = shoreline("receipts", "--json", env={"RECEIPTS_DIR": str(stored / "receipts")}).json["result"]
    assert (result["receipts"], result["unreadable"]) == (len(kept), [])


def test_stored_schedule_state_is_read(stored: Path, shoreline: Shoreline, tmp_path: Path) -> None:
    shutil.copy(stored / "schedule.json", tmp_path)
    env = {"SCHEDULE_STATE": str(tmp_path / "schedule.json"), "BACKUP_SCHEDULE": "0 2 * * *"}
    entries = shoreline("schedule", "--plan", "--json", env=env).json["result"]["entries"]
    entry = next(found for found in entries if found["name"] == "backup")
    written = json.loads((stored / "schedule.json").read_text())["schedules"]["backup"]
    assert (entry["last_started"], entry["last_exit_code"]) == (written["started"], written["exit_code"])
