"""The plan of an upload: which files to send and remove, and why. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from services.lake.partitions import day_of_file, is_read

VANISHED = "PostgreSQL has no rows of its day"


@dataclass(frozen=True)
class StoredFile:
    """A file in the bucket."""

    size: int  # in bytes
    etag: str
    sha256: str | None  # None where the content is not known
    own: bool  # whether Shoreline wrote it

    def may_be(self, size: int) -> bool:
        """Return whether a file of this size may be the same; only its checksum decides."""
        return self.sha256 is not None and self.size == size


@dataclass(frozen=True)
class Change:
    """A file to send or remove, by its path below the table's folder, and the reason."""

    path: str
    size: int
    why: str


@dataclass(frozen=True)
class TablePlan:
    """The changes to a table's files. Those of `keep` are in the bucket already.

    `foreign` are files of other programs in days that are sent or removed, which stay.
    """

    table: str
    send: tuple[Change, ...]
    keep: tuple[str, ...]
    remove: tuple[Change, ...]
    foreign: tuple[str, ...] = ()

    @property
    def vanished(self) -> int:
        """Days that are removed because PostgreSQL no longer has rows of them."""
        return len({_folder(change.path) for change in self.remove if change.why == VANISHED})

    @property
    def bytes_to_send(self) -> int:
        """Bytes of the files that are sent."""
        return sum(change.size for change in self.send)


def plan_table(
    table: str,
    local: Mapping[str, tuple[int, str | None]],
    stored: Mapping[str, StoredFile],
    *,
    delete: bool,
    vanished: Collection[date | None] = (),
    delete_foreign: bool = False,
    replaced: Collection[str] | None = None,
) -> TablePlan:
    """Send what differs, keep what is there, remove what a day no longer has.

    `local` gives each file's size and checksum; a file without one differs. Days that are missing locally are
    left alone, unless `delete`; the `vanished` ones are removed. Files of other
    programs stay unless `delete_foreign`. Where `replaced` is given, exactly those are removed. Objects outside
    of days' folders, and hidden ones, are never touched.
    """
    send, keep = _compared(local, stored)
    days = {_folder(path) for path in local}

    def reason(path: str) -> str | None:
        if path in local or not is_read(path):
            return None
        if replaced is not None:
            return "merged" if path in replaced else None
        if _folder(path) in days:
            return "no longer part of its day"
        if day_of_file(path) in vanished:
            return VANISHED
        return "its day is gone locally" if delete else None

    leaving = [Change(path, there.size, why) for path, there in stored.items() if (why := reason(path)) is not None]
    foreign = (
        ()
        if delete_foreign or replaced is not None
        else tuple(change.path for change in leaving if not stored[change.path].own)
    )
    remove = tuple(change for change in leaving if change.path not in foreign)
    return TablePlan(table, tuple(send), tuple(keep), remove, foreign)


def _compared(
    local: Mapping[str, tuple[int, str | None]], stored: Mapping[str, StoredFile]
) -> tuple[list[Change], list[str]]:
    """Return the files to send, and those that are in the bucket already."""
    send, keep = [], []
    for path, (size, sha256) in local.items():
        there = stored.get(path)
        if there is None:
            send.append(Change(path, size, "new"))
        elif sha256 is None or (there.size, there.sha256) != (size, sha256):
            send.append(Change(path, size, "changed"))
        else:
            keep.append(path)
    return send, keep


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
