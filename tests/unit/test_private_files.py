"""Exported rows and receipts are not readable by every user of the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from services.costs.bill import Biller, Usage
from services.costs.prices import load_prices
from services.costs.receipt import keep, make_receipt
from services.lake.files import DayWriter
from services.lake.record import ExportRecord, write_record


@pytest.fixture(autouse=True)
def permissive_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_exported_file_is_private_though_its_partial_was_not(tmp_path: Path) -> None:
    (tmp_path / ".data.parquet.part").touch(0o644)
    with DayWriter(tmp_path) as writer:
        writer.write(pa.table({"n": [1]}))
        (path,) = writer.finish().paths
    assert mode(path) == 0o640


def test_export_record_is_private(tmp_path: Path) -> None:
    for _ in range(2):
        write_record(tmp_path, ExportRecord("orders", "origin", "shape", {}))
        (path,) = (tmp_path / "_export").iterdir()
        assert mode(path) == 0o640
        path.chmod(0o644)


def test_receipt_is_private(tmp_path: Path) -> None:
    receipt = make_receipt(
        job="backup",
        run_id="r",
        started=datetime(2026, 3, 10, tzinfo=UTC),
        billed=False,
        limit=Decimal(1),
        usage=Usage(),
        left=(0, {}),
        biller=Biller(load_prices(), "us-east-1", "internet"),
    )
    assert mode(keep(receipt, tmp_path)) == 0o640
