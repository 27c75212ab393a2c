"""Local files are Shoreline's by their place and name; nothing else ever goes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from services.cleanup.local_files import look_at_output, remove_output

OURS = [
    "orders/year=2025/month=01/day=10/data.parquet",
    "events/year=2025/month=12/day=31/data-12.parquet",
    "orders/year=2025/month=01/day=10/.data.parquet.partial",
    "orders/year=2025/month=01/day=10/.data-1.parquet.partial",
    "_export/orders.json",
]
THEIRS = [
    "notes.txt",
    "data.parquet",
    "orders/data.parquet",
    "orders/year=2025/month=01/day=10/part-0000.snappy.parquet",
    "orders/year=2025/month=01/day=10/part-00001.parquet",
    "orders/year=2025/month=01/day=10/data.parquet.partial",
    "orders/year=2025/month=01/day=10/data-old.parquet",
    "orders/year=2025/month=1/day=10/data.parquet",
    "orders/year=2025/month=01/day=10/data.csv",
    "Orders/year=2025/month=01/day=10/data.parquet",
    "orders/year=2025/month=01/day=10/deeper/data.parquet",
    "_export/notes.txt",
]


def write(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1234")
    return path


def test_files_of_partitions_go_and_all_others_stay(tmp_path: Path) -> None:
    ours, theirs = [[write(tmp_path, name) for name in names] for names in (OURS, THEIRS)]
    found = look_at_output(tmp_path)
    assert (found.files, found.bytes, found.others) == (len(OURS), 4 * len(OURS), len(THEIRS))
    assert remove_output(tmp_path) == len(OURS)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)


def test_folders_that_become_empty_go_with_the_output_folder_itself(tmp_path: Path) -> None:
    write(tmp_path / "output", OURS[0])
    remove_output(tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_folders_that_held_nothing_of_ours_stay(tmp_path: Path) -> None:
    (tmp_path / "output" / "mine" / "empty").mkdir(parents=True)
    write(tmp_path / "output", OURS[0])
    remove_output(tmp_path / "output")
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["mine"]
    assert (tmp_path / "output" / "mine" / "empty").is_dir()


def test_a_folder_that_cannot_go_as_a_mount_point_stays_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "output"
    write(output, OURS[0])
    rmdir = Path.rmdir

    def mounted(self: Path) -> None:
        if self == output:
            raise OSError(errno.EBUSY, "Device or resource busy")
        rmdir(self)

    monkeypatch.setattr(Path, "rmdir", mounted)
    assert remove_output(output) == 1
    assert list(output.iterdir()) == []


def test_a_file_that_cannot_go_is_found_by_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, OURS[0])

    def refused(self: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    assert remove_output(tmp_path) == 0
    assert look_at_output(tmp_path).files == 1


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_links_are_not_followed(tmp_path: Path, linked: str) -> None:
    precious = write(tmp_path / "elsewhere", OURS[0])
    output = tmp_path / "output"
    if linked == "file":
        (output / OURS[0]).parent.mkdir(parents=True)
        (output / OURS[0]).symlink_to(precious)
    else:
        output.mkdir()
        (output / "orders").symlink_to(tmp_path / "elsewhere" / "orders")
    assert remove_output(output) == 0
    assert precious.exists()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert not look_at_output(tmp_path / "none").present
    assert remove_output(tmp_path / "none") == 0
