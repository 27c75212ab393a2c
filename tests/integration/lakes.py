"""What tests of the lake share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from services.lake.manifest import LakeManifest
from services.lake.remote import RemoteLake
from services.lake.upload import RemovalRules, UploadReport
from services.lake.upload import upload as _upload
from services.progress import Advance, Unit
from services.queries.files import BucketFiles
from services.queries.manifest_tables import count_rows, recorded_schema
from services.queries.prediction import LakeFiles


@contextmanager
def no_task(
    label: str, total: int | None = None, unit: Unit = "bytes", *, files: int | None = None
) -> Iterator[Advance]:
    """Shows no progress."""
    yield lambda *_: None


def upload(
    output: Path,
    lake: RemoteLake,
    *,
    delete: bool = False,
    delete_foreign: bool = False,
    keep_vanished: bool = False,
    **options: Any,
) -> UploadReport:
    """Uploads as the job does, SQL's count included."""
    rules = RemovalRules(delete=delete, delete_foreign=delete_foreign, keep_vanished=keep_vanished)

    def count(manifest: LakeManifest, days: Iterable[date]) -> dict[date, int]:
        return count_rows(LakeFiles(BucketFiles(lake.storage, lake.prefix)), recorded_schema(manifest), days)

    return _upload(output, lake, no_task, rules=rules, count=count, **options)
