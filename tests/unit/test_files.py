"""A day's files are whole, split by size, and never a mixture of two runs."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import FolderUnusable
from services.lake.files import DayWriter


def group(number: int, rows: int = 2000) -> pa.Table:
    """Rows that do not compress: about 16 KB."""
    return pa.table({"n": np.random.default_rng(number).integers(0, 2**62, rows)})


def write(folder: Path, groups: int, max_bytes: int) -> list[str]:
    with DayWriter(folder, max_bytes) as writer:
        for number in range(groups):
            writer.write(group(number))
        return [path.name for path in writer.finish().paths]


def test_day_is_split_before_exceeding_file_size(tmp_path: Path) -> None:
    names = write(tmp_path, 7, max_bytes=50_000)
    assert names == ["data.parquet", "data-1.parquet", "data-2.parquet"]
    assert all((tmp_path / name).stat().st_size <= 50_000 for name in names)
    rows = pa.concat_tables(pq.read_table(tmp_path / name) for name in names)
    assert rows == pa.concat_tables(group(number) for number in range(7))


def test_smaller_day_removes_files_of_larger(tmp_path: Path) -> None:
    write(tmp_path, 7, max_bytes=50_000)
    (tmp_path / "notes.txt").write_text("someone's own")
    write(tmp_path, 1, max_bytes=50_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.parquet", "notes.txt"]


def test_failed_writer_leaves_the_day_unchanged(tmp_path: Path) -> None:
    write(tmp_path, 3, max_bytes=50_000)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail() -> None:
        with DayWriter(tmp_path, 20_000) as writer:
            writer.write(group(8))
            writer.write(group(9))
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FolderUnusable, match="cannot be written: No space left on device"):
        fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_uncreatable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    with pytest.raises(FolderUnusable, match="cannot be written"), DayWriter(tmp_path / "output" / "orders"):
        pass
