"""Objects and files that a version of Shoreline wrote, kept to show that later ones still read them."""

from __future__ import annotations

import shutil
from pathlib import Path

from services.s3.objects import Storage

STORED = Path(__file__).with_name("stored")
"""A folder a version: `bucket/` by key, `receipts/`, `schedule.json`."""


def save(folder: Path, storage: Storage, written: Path) -> None:
    """Keep a whole bucket, and what jobs left under `written`."""
    for found in storage.objects(""):
        path = folder / "bucket" / found.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(storage.read(found.key) or b"")
    (folder / "receipts").mkdir()
    for job in ("backup", "upload", "query"):
        shutil.copy(min((written / "receipts").glob(f"{job}_*.json")), folder / "receipts")
    shutil.copy(written / "schedule.json", folder)


def load(folder: Path, storage: Storage) -> None:
    """Put the kept objects into a bucket."""
    for path in sorted((folder / "bucket").rglob("*")):
        if path.is_file():
            storage.put(str(path.relative_to(folder / "bucket")), path.read_bytes())
