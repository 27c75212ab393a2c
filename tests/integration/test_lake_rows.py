"""After an upload the lake holds exactly the rows that the exported snapshot held, whoever exported before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import LakeError
from services.lake.declaration import from_options
from services.lake.export import ExportReport, export
from services.lake.export_plan import DaySelection
from services.lake.record import ExportRecord, read_records, write_record
from services.lake.remote import RemoteLake
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.contracts.stored import STORED
from tests.contracts.test_runs import EXPORT, INVOICES
from tests.integration.lakes import no_task, upload

PEOPLE = from_options(["public.people:at"])
FOREIGN = "year=2025/month=01/day=01/foreign.parquet"
Run = Callable[..., ExportReport]


@pytest.fixture
def lake(storage: Storage) -> RemoteLake:
    return RemoteLake(storage, "datalake")


@pytest.fixture
def people(execute: Callable[[str], None]) -> None:
    execute("CREATE TABLE people (id int PRIMARY KEY, at timestamptz NOT NULL, secret text)")
    execute(
        "INSERT INTO people SELECT n, timestamptz '2025-01-01 00:00+00' + n * interval '1 day', 'x'"
        " FROM generate_series(0, 2) AS n"
    )


@pytest.fixture
def run(database: Database, people: None) -> Run:
    def exported(output: Path, lake: RemoteLake, first: date | None = None, *, full: bool = False) -> ExportReport:
        wanted = DaySelection(first=first, full=full)
        return export(database, PEOPLE, output, wanted, lake.export_record, no_task, workers=1)

    return exported


def ids(lake: RemoteLake) -> list[int]:
    """The rows that a query finds."""
    found: list[int] = []
    for path in lake.listed("people"):
        body = lake.storage.read(lake.key("people", path))
        assert body is not None
        found += map(int, pq.read_table(pa.BufferReader(body))["id"].to_numpy())
    return sorted(found)


def test_deleted_day_is_not_uploaded_into_another_lake(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    execute("DELETE FROM people WHERE id = 1")
    other = RemoteLake(lake.storage, "second")
    run(tmp_path, other)
    upload(tmp_path, other)
    assert ids(other) == [0, 2]


@pytest.mark.parametrize("full", [False, True])
def test_deleted_day_leaves_the_lake_with_the_next_upload(
    full: bool, run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    execute("DELETE FROM people WHERE id = 1")
    run(tmp_path, lake, full=full)
    assert upload(tmp_path, lake).plans[0].vanished == 1
    assert ids(lake) == [0, 2]


def test_machines_taking_turns_bring_no_row_back(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, lake)
    upload(first, lake)
    execute("DELETE FROM people WHERE id = 1")
    run(second, lake)
    upload(second, lake)
    execute("INSERT INTO people VALUES (3, '2025-01-04', 'new')")
    run(first, lake)
    upload(first, lake)
    assert ids(lake) == [0, 2, 3]


def test_export_that_another_overtook_is_not_uploaded(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, lake)
    execute("DELETE FROM people WHERE id = 1")
    run(second, lake)
    upload(second, lake)
    with pytest.raises(LakeError, match="out of date"):
        upload(first, lake)
    assert ids(lake) == [0, 2]


def test_incremental_export_is_not_uploaded_into_an_empty_lake(run: Run, lake: RemoteLake, tmp_path: Path) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    record = read_records(tmp_path)["people"]
    write_record(tmp_path, replace(record, unwritten=frozenset(record.days)))  # as an export with nothing to write
    other = RemoteLake(lake.storage, "second")
    with pytest.raises(LakeError, match="unchanged days"):
        upload(tmp_path, other)
    assert other.listed("people") == {}


def test_limited_export_removes_no_day_outside_its_span(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    execute("DELETE FROM people WHERE id IN (0, 1)")
    run(tmp_path, lake, first=date(2025, 1, 2))
    assert upload(tmp_path, lake).plans[0].vanished == 1
    assert ids(lake) == [0, 2]


def test_changed_type_is_accepted_though_days_vanished(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path
) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    execute("DELETE FROM people WHERE id = 1")
    execute("ALTER TABLE people ALTER COLUMN secret TYPE bytea USING secret::bytea")
    run(tmp_path, lake)
    upload(tmp_path, lake, accept_drift=True)
    assert ids(lake) == [0, 2]


def test_killed_upload_of_a_deletion_is_finished_by_the_next(
    run: Run, execute: Callable[[str], None], lake: RemoteLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, lake)
    upload(tmp_path, lake)
    execute("DELETE FROM people WHERE id = 1")
    run(tmp_path, lake)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            upload(tmp_path, lake)
    run(tmp_path, lake)
    upload(tmp_path, lake)
    assert ids(lake) == [0, 2]


def test_foreign_file_in_an_exported_day_stays_until_confirmed(run: Run, lake: RemoteLake, tmp_path: Path) -> None:
    run(tmp_path, lake)
    body = (tmp_path / "people" / FOREIGN.replace("foreign", "data")).read_bytes()
    lake.storage.put(lake.key("people", FOREIGN), body)
    assert upload(tmp_path, lake).plans[0].foreign == (FOREIGN,)
    assert ids(lake) == [0, 0, 1, 2]
    run(tmp_path, lake, full=True)
    upload(tmp_path, lake, delete_foreign=True)
    assert ids(lake) == [0, 1, 2]


def test_export_record_of_an_older_version_has_the_same_shape(
    execute: Callable[[str], None], database: Database, tmp_path: Path
) -> None:
    execute(INVOICES)
    export(database, from_options(EXPORT[2:]), tmp_path, DaySelection(), lambda _: None, no_task, workers=1)
    for path in STORED.glob("*/bucket/datalake/_manifest/invoices.export.json"):
        older = ExportRecord.from_json(path.read_bytes(), str(path))
        assert read_records(tmp_path)["invoices"].shape == older.shape
