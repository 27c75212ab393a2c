"""What an upload will do, and why. Touches nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from services.lake.partitions import day_of_file, is_read


@dataclass(frozen=True)
class Stored:
    """A file in the bucket: `size` in bytes; `sha256` is None when nothing is known of what is in it."""

    size: int
    etag: str
    sha256: str | None

    def may_be(self, size: int) -> bool:
        """Whether a file of this size may be the same: only its checksum tells."""
        return self.sha256 is not None and self.size == size


@dataclass(frozen=True)
class Change:
    """One file that is sent or removed, by its path below the table's folder, and the reason."""

    path: str
    size: int
    why: str


@dataclass(frozen=True)
class TablePlan:
    """What becomes of a table's files. Those of `keep` are in the bucket already."""

    table: str
    send: tuple[Change, ...]
    keep: tuple[str, ...]
    remove: tuple[Change, ...]

    @property
    def bytes_to_send(self) -> int:
        """Bytes of the files that are sent."""
        return sum(change.size for change in self.send)


def plan_table(
    table: str,
    local: Mapping[str, tuple[int, str | None]],
    stored: Mapping[str, Stored],
    *,
    delete: bool,
    stay: Collection[date | None] = (),
) -> TablePlan:
    """Send what differs, keep what is there, remove what a day no longer has.

    `local` gives each file's size and checksum; a file without one differs. Days that are not there locally are
    left alone, unless `delete`; those of `stay`, which an export found unchanged, even then. Objects outside of
    days' folders, and hidden ones, are never touched.
    """
    send, keep = [], []
    for path, (size, sha256) in local.items():
        there = stored.get(path)
        if there is None:
            send.append(Change(path, size, "new"))
        elif sha256 is None or (there.size, there.sha256) != (size, sha256):
            send.append(Change(path, size, "changed"))
        else:
            keep.append(path)
    days = {_folder(path) for path in local}
    remove = []
    for path, there in stored.items():
        if path in local or not is_read(path):
            continue
        if _folder(path) in days:
            remove.append(Change(path, there.size, "no longer part of its day"))
        elif delete and day_of_file(path) not in stay:
            remove.append(Change(path, there.size, "its day is gone locally"))
    return TablePlan(table, tuple(send), tuple(keep), tuple(remove))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
