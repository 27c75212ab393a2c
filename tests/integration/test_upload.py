"""An upload is finished by the next one, never loses a day, and says beforehand what it will do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.upload import sending
from services.costs.account import Account
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.errors import Busy, LakeError, StorageError
from services.lake import transfer
from services.lake import upload as upload_module
from services.lake.files import FolderContents, LocalFile, contents
from services.lake.generate import generate
from services.lake.population import Population
from services.lake.remote import RemoteLake
from services.lake.schema import SchemaDrift
from services.lake.transfer import PART_BYTES, Sending, of_files, send_all
from services.s3.client import Aws
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.integration.lakes import upload

DAYS = (date(2025, 1, 10), date(2025, 1, 11))
FIRST = "year=2025/month=01/day=10/data.parquet"
SECOND = "year=2025/month=01/day=11/data.parquet"


@pytest.fixture
def lake(storage: Storage) -> RemoteLake:
    return RemoteLake(storage, "datalake")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    generate(tmp_path / "out", Population(50, 300, seed=1), ("orders", "events"), DAYS, workers=2)
    return tmp_path / "out"


def keys(lake: RemoteLake, table: str = "orders") -> set[str]:
    return set(lake.listed(table))


def write_other(output: Path, path: str, **columns: Any) -> None:
    target = output / "other" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), target)


def test_upload_stores_same_bytes_and_manifest(output: Path, lake: RemoteLake) -> None:
    report = upload(output, lake)
    assert keys(lake) == {FIRST, SECOND}
    assert lake.storage.read(f"datalake/orders/{FIRST}") == (output / "orders" / FIRST).read_bytes()
    manifest = lake.recorded("orders").manifest
    assert (
        manifest.rows
        == report.rows["orders"]
        == Population(50, 300, 1).rows("orders", DAYS[0]) + Population(50, 300, 1).rows("orders", DAYS[1])
    )
    entry = manifest.files[FIRST]
    assert entry.least["created_at"].startswith("2025-01-10T00")
    assert entry.most["created_at"].startswith("2025-01-10T23")
    assert [column.athena for column in manifest.schema.columns] == [
        "bigint",
        "bigint",
        "decimal(12,2)",
        "string",
        "timestamp",
    ]


def test_second_upload_sends_nothing(output: Path, lake: RemoteLake) -> None:
    upload(output, lake)
    before = lake.listed("orders")
    again = upload(output, lake)
    assert all(not plan.send and not plan.remove and len(plan.keep) == 2 for plan in again.plans)
    assert lake.listed("orders") == before


def test_upload_dry_run_prints_plan_and_changes_nothing(output: Path, lake: RemoteLake) -> None:
    planned = upload(output, lake, dry_run=True)
    assert not keys(lake)
    assert lake.recorded("orders").etag is None
    assert upload(output, lake).plans == planned.plans


def test_upload_sends_only_changed_files(output: Path, lake: RemoteLake) -> None:
    upload(output, lake)
    generate(output, Population(50, 300, seed=2), ("orders",), DAYS[:1], workers=1)
    plans = {plan.table: plan for plan in upload(output, lake).plans}
    assert [(change.path, change.why) for change in plans["orders"].send] == [(FIRST, "changed")]
    assert not plans["events"].send


def test_upload_replaces_overwritten_object(output: Path, lake: RemoteLake) -> None:
    upload(output, lake)
    right = (output / "orders" / FIRST).read_bytes()
    lake.storage.put(f"datalake/orders/{FIRST}", bytes(reversed(right)))
    upload(output, lake)
    assert lake.storage.read(f"datalake/orders/{FIRST}") == right
    assert lake.recorded("orders").manifest.files[FIRST].etag == lake.listed("orders")[FIRST].etag


def test_upload_removes_strays_and_keeps_other_objects(output: Path, lake: RemoteLake) -> None:
    stray = FIRST.replace("data.parquet", "data-1.parquet")
    hidden = FIRST.replace("data.parquet", "_SUCCESS")
    other_day = FIRST.replace("day=10", "day=20")
    foreign = FIRST.replace("data.parquet", "data-2.parquet")
    for path in (foreign, hidden, other_day, "notes.txt"):
        lake.storage.put(lake.key("orders", path), b"x")
    lake.storage.put(lake.key("orders", stray), b"x", sha256=hashlib.sha256(b"x").digest())  # as a killed upload does
    assert [plan.foreign for plan in upload(output, lake).plans if plan.table == "orders"] == [(foreign,)]
    assert keys(lake) == {FIRST, SECOND, foreign, hidden, other_day, "notes.txt"}


def test_locally_missing_day_is_removed_only_with_delete(output: Path, lake: RemoteLake) -> None:
    upload(output, lake)
    (output / "orders" / SECOND).unlink()
    kept = upload(output, lake)
    assert keys(lake) == {FIRST, SECOND}
    removed = upload(output, lake, delete=True)
    assert keys(lake) == {FIRST}
    assert set(lake.recorded("orders").manifest.files) == {FIRST}
    assert removed.rows["orders"] < kept.rows["orders"]


def test_killed_upload_is_finished_by_the_next(output: Path, lake: RemoteLake, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Storage.put

    def dying(self: Storage, key: str, *arguments: Any, **options: Any) -> str:
        if key.endswith(SECOND):
            raise StorageError("killed")
        return put(self, key, *arguments, **options)

    monkeypatch.setattr(Storage, "put", dying)
    with pytest.raises(StorageError, match="killed"):
        upload(output, lake)
    monkeypatch.undo()
    sent = {change.path for plan in upload(output, lake).plans for change in plan.send}
    assert SECOND in sent
    assert keys(lake) == keys(lake, "events") == {FIRST, SECOND}
    assert not any(plan.send for plan in upload(output, lake).plans)


def test_files_without_manifest_are_identified_by_checksum(output: Path, lake: RemoteLake) -> None:
    upload(output, lake)
    lake.storage.delete(["datalake/_manifest/orders.json"])
    plans = {plan.table: plan for plan in upload(output, lake).plans}
    assert not plans["orders"].send
    assert set(lake.recorded("orders").manifest.files) == {FIRST, SECOND}


def test_large_file_in_parts_has_same_content(output: Path, lake: RemoteLake, monkeypatch: pytest.MonkeyPatch) -> None:
    part = 5 * 1024 * 1024  # S3's least
    body = bytes(range(256)) * (part // 256) + b"the rest"
    path = output / "big.bin"
    path.write_bytes(body)
    sending = transfer.Sending(path, "big", len(body), path.stat().st_mtime_ns)
    counted: list[tuple[int, int]] = []

    def advance(amount: int, files: int = 0, /) -> None:
        counted.append((amount, files))

    sent = transfer.send_all(lake.storage, [sending], advance, part_bytes=part)
    assert lake.storage.read("big") == body
    assert sum(amount for amount, _ in counted) == len(body)
    assert [files for _, files in counted] == [0, 0, 1]
    found = next(lake.storage.objects("big"))
    assert sent["big"] == transfer.Sent(found.etag, lake.sha256(found) or "")


def test_checksum_in_parts_equals_that_of_s3(tmp_path: Path, lake: RemoteLake) -> None:
    path = tmp_path / "large.bin"
    size = path.write_bytes(bytes(range(256)) * (PART_BYTES // 256) + b"the rest")
    send_all(lake.storage, [Sending(path, "large", size, path.stat().st_mtime_ns)], lambda *_: None)
    [found] = lake.storage.objects("large")
    assert lake.sha256(found) == of_files([(path, size)])[0]
    lake.storage.put("large", b"something else")
    assert lake.sha256(found) is None


def test_file_changed_during_upload_is_an_error(output: Path, lake: RemoteLake) -> None:
    part = 5 * 1024 * 1024
    for name, size in (("small", 10), ("large", part + 1)):
        path = output / name
        path.write_bytes(b"0" * size)
        sending = transfer.Sending(path, name, size, modified_ns=0)
        with pytest.raises(LakeError, match="changed while"):
            transfer.send_all(lake.storage, [sending], lambda *_: None, part_bytes=part)
        assert lake.storage.head(name) is None
    assert not list(lake.storage.uploads(""))


def test_file_changed_after_hashing_is_an_error(
    output: Path, lake: RemoteLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(output, lake)
    lake.storage.delete(["datalake/_manifest/orders.json"])
    described = contents

    def rewritten(files: Sequence[LocalFile]) -> list[FolderContents]:
        for file in files:
            pq.write_table(pq.read_table(file.location, partitioning=None).slice(1), file.location)
        return described(files)

    monkeypatch.setattr(upload_module, "contents", rewritten)
    with pytest.raises(LakeError, match="changed while"):
        upload(output, lake)
    assert lake.recorded("orders").etag is None


def test_upload_reports_years_that_were_not_declared(output: Path, lake: RemoteLake) -> None:
    def uploaded(path: str) -> object:
        write_other(output, path, n=[1])
        return upload(output, lake).widened

    assert uploaded(FIRST) == {}
    assert uploaded(FIRST.replace("2025", "2024")) == {"other": (2024, 2035)}
    assert uploaded(FIRST.replace("2025", "2035")) == {}
    assert uploaded(FIRST.replace("2025", "2046")) == {"other": (2024, 2056)}


def test_drift_is_refused_before_anything_is_sent(output: Path, lake: RemoteLake) -> None:
    write_other(output, FIRST, a=[1], b=["x"])
    upload(output, lake)
    write_other(output, SECOND, a=["text"])
    write_other(output, FIRST, a=[2], b=["y"])
    before = lake.listed("other")
    with pytest.raises(SchemaDrift) as caught:
        upload(output, lake)
    assert "column b is missing" in str(caught.value)
    assert "a was int64, is now string" in str(caught.value)
    assert lake.listed("other") == before


def test_new_column_is_recorded_without_drift(output: Path, lake: RemoteLake) -> None:
    write_other(output, FIRST, a=[1])
    upload(output, lake)
    write_other(output, SECOND, a=[2], b=["new"])
    upload(output, lake)
    assert [column.name for column in lake.recorded("other").manifest.schema.columns] == ["a", "b"]


def test_accepted_drift_requires_replacing_all_old_files(output: Path, lake: RemoteLake) -> None:
    write_other(output, FIRST, a=[1])
    write_other(output, SECOND, a=[1])
    upload(output, lake)
    write_other(output, FIRST, a=["text"])
    with pytest.raises(SchemaDrift):
        upload(output, lake, accept_drift=True)
    write_other(output, SECOND, a=["text"])
    upload(output, lake, accept_drift=True)
    assert [column.type for column in lake.recorded("other").manifest.schema.columns] == ["string"]


def test_declared_table_rejects_different_columns(output: Path, lake: RemoteLake) -> None:
    pq.write_table(pa.table({"order_id": [1], "amount": [1.5]}), output / "orders" / FIRST)
    with pytest.raises(SchemaDrift, match="amount was decimal128"):
        upload(output, lake)


def test_damaged_file_is_refused_before_anything_is_sent(output: Path, lake: RemoteLake) -> None:
    whole = (output / "orders" / FIRST).read_bytes()
    (output / "orders" / FIRST).write_bytes(whole[:-20])
    with pytest.raises(LakeError, match="not a complete Parquet file"):
        upload(output, lake)
    assert not keys(lake, "events")


def test_concurrent_uploads_do_not_overwrite_the_manifest(output: Path, lake: RemoteLake) -> None:
    before = lake.recorded("orders")
    upload(output, lake)
    with pytest.raises(Busy):
        lake.record(lake.recorded("orders").manifest, before)


def test_upload_of_empty_folder_names_next_step(shoreline: Shoreline, tmp_path: Path) -> None:
    outcome = shoreline("upload")
    assert outcome.exit_code == 16
    assert "shoreline generate" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_generate_then_upload_fills_the_lake(shoreline: Shoreline, aws: Aws, settings: dict[str, str]) -> None:
    made = shoreline("generate", "--rows-per-day", 100, "--json").json["result"]
    assert [table["days"] for table in made["tables"]] == [6, 6]
    planned = shoreline("upload", "--dry-run", "--delete")
    assert "to send" in planned.output
    assert planned.errors.endswith("Next: shoreline upload --delete\n")
    sent = json.loads(shoreline("upload", "--json").output)["result"]
    rows = {table["name"]: table["rows"] for table in made["tables"]}
    assert sent["rows"] == rows


def test_upload_cost_counts_requests_of_parts(aws: Aws, storage: Storage, tmp_path: Path) -> None:
    files = []
    for size in (PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES):
        path = tmp_path / str(size)
        path.write_bytes(bytes(size))
        files.append(Sending(path, f"datalake/{size}", size, path.stat().st_mtime_ns))
    account = Account(Biller(load_prices(), "us-east-1", "region"), limit=Decimal(1), enforced=False, billed=False)
    send_all(Storage(aws.again(account.attach), storage.bucket), files, lambda *_: None)
    sent = {name: tally.billable for name, tally in account.meter.snapshot().operations().items() if name[0] == "s3"}
    predicted = sending(file.size for file in files)
    assert {name: tally.billable for name, tally in predicted.operations().items()} == sent
    assert sending([256_000_000]).total.billable == 33


def test_generate_rejects_undeclared_years(shoreline: Shoreline, tmp_path: Path) -> None:
    outcome = shoreline("generate", "--dates", "2025-01-10,2031-01-01")
    assert outcome.exit_code == 2
    assert "declared for the years 2024 to 2030, not for 2031" in outcome.errors
    assert not (tmp_path / "output").exists()
