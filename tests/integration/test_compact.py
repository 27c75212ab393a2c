"""Merging a day's small files loses no row, and leaves alone what someone else is writing."""

from __future__ import annotations

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
from services.lake.population import Population
from services.lake.remote import RemoteLake
from services.storage import Storage
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


def put(lake: RemoteLake, rows: pa.Table, path: str, table: str = "orders") -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    lake.storage.put(lake.key(table, path), sink.getvalue().to_pybytes())


def read(lake: RemoteLake, path: str, table: str = "orders") -> pa.Table:
    body = lake.storage.read(lake.key(table, path))
    assert body is not None
    return pq.read_table(pa.BufferReader(body))


def test_small_files_become_one_with_the_same_rows_in_order(lake: RemoteLake, whole: pa.Table) -> None:
    report = merge(lake)
    assert (report.files_before, report.files_after) == (10, 1)
    assert [path for path in lake.listed("orders") if path.startswith(FOLDER)] == [f"{FOLDER}/data.parquet"]
    assert read(lake, f"{FOLDER}/data.parquet") == whole
    assert lake.recorded("orders").manifest.rows_by_day()[DAYS[0]] == whole.num_rows
    assert not merge(lake).merges


def test_a_dry_run_merges_nothing(lake: RemoteLake, whole: pa.Table) -> None:
    before = lake.listed("orders")
    report = merge(lake, dry_run=True)
    assert [(found.day_folder, len(found.files)) for found in report.merges] == [(FOLDER, 10)]
    assert lake.listed("orders") == before


def test_a_file_that_comes_meanwhile_is_never_lost(
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


def test_files_of_other_types_are_not_merged(lake: RemoteLake) -> None:
    put(lake, pa.table({"a": [1]}), f"{FOLDER}/a.parquet", "other")
    put(lake, pa.table({"a": ["x"]}), f"{FOLDER}/b.parquet", "other")
    with pytest.raises(LakeError, match="other types"):
        merge(lake, "other")
    assert len(lake.listed("other")) == 2


def test_a_column_that_older_files_lack_is_null_in_their_rows(lake: RemoteLake) -> None:
    put(lake, pa.table({"a": [1]}), f"{FOLDER}/a.parquet", "other")
    put(lake, pa.table({"b": ["x"], "a": [2]}), f"{FOLDER}/b.parquet", "other")
    merge(lake, "other")
    assert read(lake, f"{FOLDER}/data.parquet", "other").to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_the_job_merges_and_then_has_nothing_to_do(shoreline: Shoreline, lake: RemoteLake, whole: pa.Table) -> None:
    assert "10 files" in shoreline("compact", "--dry-run").output
    assert "became 1 file" in shoreline("compact").output
    assert "No day has small files" in shoreline("compact").output
