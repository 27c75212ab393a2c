"""Merging a day's small files loses no row, and leaves alone what someone else is writing."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import Busy, LakeError
from services.lake import compact as compact_module
from services.lake.compact import CompactReport, compact
from services.lake.generate import generate
from services.lake.journal import read_journal, recover
from services.lake.population import Population
from services.lake.remote import RemoteLake
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.integration.lakes import no_task, upload

DAYS = (date(2025, 1, 10), date(2025, 1, 11))
FOLDER = "year=2025/month=01/day=10"


def merge(lake: RemoteLake, *tables: str, dry_run: bool = False) -> CompactReport:
    return compact(lake, tables or ("orders",), no_task, count=lambda *_: {}, dry_run=dry_run)


@pytest.fixture
def lake(storage: Storage) -> RemoteLake:
    return RemoteLake(storage, "datalake")


@pytest.fixture
def whole(lake: RemoteLake, tmp_path: Path) -> pa.Table:
    """A day of orders that was uploaded whole, and then stored as ten small files, in no order."""
    generate(tmp_path, Population(50, 1000, seed=1), ("orders",), DAYS, workers=2)
    upload(tmp_path, lake)
    rows = pq.read_table(tmp_path / "orders" / FOLDER / "data.parquet", partitioning=None)
    lake.storage.delete([lake.key("orders", f"{FOLDER}/data.parquet")])
    for number in range(10):
        put(lake, rows.take(list(range(number, rows.num_rows, 10))), f"{FOLDER}/part-{number}.snappy.parquet")
    return rows


def put(lake: RemoteLake, rows: pa.Table, path: str, table: str = "orders", *, own: bool = False) -> None:
    """Store rows as another program does, or as an upload of Shoreline does."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    body = sink.getvalue().to_pybytes()
    lake.storage.put(lake.key(table, path), body, sha256=hashlib.sha256(body).digest() if own else None)


def read(lake: RemoteLake, path: str, table: str = "orders") -> pa.Table:
    body = lake.storage.read(lake.key(table, path))
    assert body is not None
    return pq.read_table(pa.BufferReader(body))


def test_compact_merges_small_files_in_order(lake: RemoteLake, whole: pa.Table) -> None:
    report = merge(lake)
    assert (report.files_before, report.files_after) == (10, 1)
    assert [path for path in lake.listed("orders") if path.startswith(FOLDER)] == [f"{FOLDER}/merged.parquet"]
    assert read(lake, f"{FOLDER}/merged.parquet") == whole
    assert lake.recorded("orders").manifest.rows_by_day()[DAYS[0]] == whole.num_rows
    assert not merge(lake).merges


def test_compact_dry_run_merges_nothing(lake: RemoteLake, whole: pa.Table) -> None:
    before = lake.listed("orders")
    report = merge(lake, dry_run=True)
    assert [(found.day_folder, len(found.files)) for found in report.merges] == [(FOLDER, 10)]
    assert lake.listed("orders") == before


def test_compact_keeps_files_written_meanwhile(
    lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = compact_module._fetch

    def while_reading(*arguments: Any) -> Any:
        put(lake, whole.slice(0, 1), f"{FOLDER}/late.parquet")
        return opened(*arguments)

    monkeypatch.setattr(compact_module, "_fetch", while_reading)
    with pytest.raises(Busy):
        merge(lake)
    assert len([path for path in lake.listed("orders") if path.startswith(FOLDER)]) == 11


class Killed(BaseException):
    """What nothing in the program catches, as little as a SIGKILL."""


def killed_at(
    lake: RemoteLake, monkeypatch: pytest.MonkeyPatch, method: str, *, after: bool, error: type[BaseException] = Killed
) -> None:
    """Compacts until a method of the storage or the lake is about to be called, or was called, once."""
    owner = RemoteLake if method == "record" else Storage
    called = getattr(owner, method)

    def stop(self: Any, *arguments: Any) -> None:
        if method == "delete":  # the first of the old files goes, the others stay
            called(self, list(*arguments)[:1])
        elif after:
            called(self, *arguments)
        raise error("killed")

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, stop)
        with pytest.raises(error):
            merge(lake)


def rows_of_day(lake: RemoteLake) -> pa.Table:
    """What a query finds."""
    paths = [path for path in lake.listed("orders") if path.startswith(FOLDER)]
    return pa.concat_tables([read(lake, path) for path in paths]).sort_by([("created_at", "ascending")])


@pytest.mark.parametrize(("method", "after"), [("record", False), ("record", True), ("delete", True)])
@pytest.mark.parametrize("named", [False, True], ids=["foreign names", "our names"])
def test_compact_recovers_each_row_once_after_a_kill(
    lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch, method: str, after: bool, named: bool
) -> None:
    if named:
        put_anew(lake, whole)
    killed_at(lake, monkeypatch, method, after=after)
    assert lake.tables() == ["orders"]
    assert lake.storage.head(lake.journal_key) is not None
    planned = merge(lake, dry_run=True)
    assert [merge.files for merge in planned.merges] == [merge.files for merge in merge(lake).merges]
    assert lake.storage.head(lake.journal_key) is None
    assert rows_of_day(lake).num_rows == whole.num_rows
    assert set(rows_of_day(lake)["order_id"].to_pylist()) == set(whole["order_id"].to_pylist())
    assert lake.recorded("orders").manifest.rows_by_day()[DAYS[0]] == whole.num_rows
    assert not merge(lake).merges


def test_compact_recovers_without_stored_checksums(
    lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(lake, monkeypatch, "record", after=False)
    key = lake.key("orders", f"{FOLDER}/merged.parquet")
    body = lake.storage.read(key)
    assert body is not None
    lake.storage.put(key, body)
    assert lake.sha256(lake.listed("orders")[f"{FOLDER}/merged.parquet"]) is None
    merge(lake)
    assert rows_of_day(lake).num_rows == whole.num_rows


def put_anew(lake: RemoteLake, whole: pa.Table) -> None:
    """The day as an upload left it, in files of our names."""
    lake.storage.delete([lake.key("orders", f"{FOLDER}/part-{number}.snappy.parquet") for number in range(10)])
    for number, name in enumerate(("data.parquet", "data-1.parquet", "data-2.parquet")):
        put(lake, whole.take(list(range(number, whole.num_rows, 3))), f"{FOLDER}/{name}", own=True)


def test_merged_file_has_no_source_name(lake: RemoteLake, whole: pa.Table) -> None:
    put_anew(lake, whole)
    merge(lake)
    assert [path for path in lake.listed("orders") if path.startswith(FOLDER)] == [f"{FOLDER}/data-3.parquet"]
    assert read(lake, f"{FOLDER}/data-3.parquet") == whole


def test_failed_compact_removes_its_results(lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lake.listed("orders")
    killed_at(lake, monkeypatch, "record", after=False, error=LakeError)
    assert lake.listed("orders") == before
    assert lake.storage.head(lake.journal_key) is None


def test_upload_after_killed_compact_wins(
    lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for method in ("record", "delete"):
        put_anew(lake, whole)
        killed_at(lake, monkeypatch, method, after=False)
        upload(tmp_path, lake)
        assert not merge(lake).merges
        assert lake.storage.head(lake.journal_key) is None
        assert rows_of_day(lake).num_rows == whole.num_rows


def test_compact_cannot_record_results_that_another_removed(
    lake: RemoteLake, whole: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = RemoteLake.record

    def overtaken(self: RemoteLake, *arguments: Any) -> None:
        journal = read_journal(lake)
        assert journal is not None
        recover(lake, journal)
        recorded(self, *arguments)

    before = lake.listed("orders")
    monkeypatch.setattr(RemoteLake, "record", overtaken)
    with pytest.raises(Busy):
        merge(lake)
    assert lake.listed("orders") == before


def test_compact_checks_its_cost_before_reading(shoreline: Shoreline, lake: RemoteLake, whole: pa.Table) -> None:
    before = lake.listed("orders")
    outcome = shoreline("compact", "--json", env={"MAX_RUN_COST_USD": "0.000015"}, fresh=True)
    assert "Merging 10 files" in outcome.errors
    assert "Nothing was done" in outcome.errors
    assert lake.listed("orders") == before


def test_compact_rejects_files_of_different_types(lake: RemoteLake) -> None:
    put(lake, pa.table({"a": [1]}), f"{FOLDER}/a.parquet", "other")
    put(lake, pa.table({"a": ["x"]}), f"{FOLDER}/b.parquet", "other")
    with pytest.raises(LakeError, match="differ in their types"):
        merge(lake, "other")
    assert len(lake.listed("other")) == 2


def test_compact_fills_missing_columns_with_null(lake: RemoteLake) -> None:
    put(lake, pa.table({"a": [1]}), f"{FOLDER}/a.parquet", "other")
    put(lake, pa.table({"b": ["x"], "a": [2]}), f"{FOLDER}/b.parquet", "other")
    merge(lake, "other")
    assert read(lake, f"{FOLDER}/merged.parquet", "other").to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_second_compact_has_nothing_to_do(shoreline: Shoreline, lake: RemoteLake, whole: pa.Table) -> None:
    assert "10 files" in shoreline("compact", "--dry-run").output
    assert "into 1 file" in shoreline("compact").output
    nothing = shoreline("compact")
    assert "No day has small files" in nothing.output
    assert "Next:" not in nothing.errors
    mistyped = shoreline("compact", "--tables", "orders,order")
    assert mistyped.exit_code == 2
    assert "Unknown table 'order'" in mistyped.errors


def test_rows_of_other_programs_survive_a_compact_and_an_upload(lake: RemoteLake, tmp_path: Path) -> None:
    generate(tmp_path, Population(50, 1000, seed=1), ("orders",), DAYS[:1], workers=1)
    upload(tmp_path, lake)
    ours = pq.read_table(tmp_path / "orders" / FOLDER / "data.parquet", partitioning=None)
    for number in range(2):
        put(lake, ours.slice(number * 10, 10), f"{FOLDER}/foreign-{number}.parquet")
    merge(lake)
    report = upload(tmp_path, lake)
    assert report.plans[0].foreign == (f"{FOLDER}/merged.parquet",)
    assert rows_of_day(lake).num_rows == ours.num_rows + 20
    assert set(lake.listed("orders")) == {f"{FOLDER}/data.parquet", f"{FOLDER}/merged.parquet"}
    upload(tmp_path, lake, delete_foreign=True)
    assert set(lake.listed("orders")) == {f"{FOLDER}/data.parquet"}


def test_foreign_file_of_our_name_is_neither_merged_nor_deleted(lake: RemoteLake, tmp_path: Path) -> None:
    generate(tmp_path, Population(50, 1000, seed=1), ("orders",), DAYS[:1], workers=1)
    upload(tmp_path, lake)
    ours = pq.read_table(tmp_path / "orders" / FOLDER / "data.parquet", partitioning=None)
    foreign = f"{FOLDER}/data-7.parquet"
    put(lake, ours.slice(0, 10), foreign)
    assert not merge(lake).merges
    generate(tmp_path, Population(50, 1000, seed=2), ("orders",), DAYS[:1], workers=1)
    assert upload(tmp_path, lake).plans[0].foreign == (foreign,)
    assert set(lake.listed("orders")) == {f"{FOLDER}/data.parquet", foreign}
