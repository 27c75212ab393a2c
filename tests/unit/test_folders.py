"""A folder that cannot be listed is never taken for an empty one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cleanup.local_files import look_at_output, look_at_receipts
from services.lake.files import local_files
from services.queries.files import FolderFiles

DAY = "orders/year=2025/month=01/day=10"
LOOKS: list[Callable[[Path], object]] = [
    look_at_output,
    look_at_receipts,
    local_files,
    lambda folder: list(FolderFiles(folder).list("orders/")),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may list; pytest's own are below one that only their owner may."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Nobody may list the folder, root neither."""
    user = os.geteuid()
    folder.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


@pytest.mark.parametrize("look", LOOKS)
def test_a_day_that_may_not_be_listed_does_not_pass_for_gone(look: Callable[[Path], object], folder: Path) -> None:
    (folder / DAY).mkdir(parents=True)
    (folder / DAY / "data.parquet").write_bytes(b"rows")
    with closed(folder / DAY), pytest.raises(PermissionError, match="day=10"):
        look(folder)


@pytest.mark.parametrize("look", LOOKS)
def test_a_folder_that_is_not_there_holds_nothing(look: Callable[[Path], object], tmp_path: Path) -> None:
    assert not getattr(look(tmp_path / "none"), "present", False)
