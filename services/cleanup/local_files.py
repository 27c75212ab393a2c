"""Local files that Shoreline created, recognised by place and name, so that nothing else is removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.files import walk
from services.lake.record import RECORDS

_LAKE_FILE = re.compile(
    r"[a-z][a-z0-9_]*/year=\d{4}/month=\d{2}/day=\d{2}/(data(-\d+)?\.parquet|\.data(-\d+)?\.parquet\.partial)"
    rf"|{RECORDS}/[a-z][a-z0-9_]*\.json"
)
_RECEIPT = re.compile(r"[a-z_-]+_\d{8}_\d{6}[A-Za-z0-9_-]*\.json")
_SAMPLE = 5


@dataclass(frozen=True)
class LocalFiles:
    """The contents of a folder: Shoreline's files, and others, which are kept."""

    folder: Path
    files: int
    bytes: int
    others: int
    other_names: tuple[str, ...]  # the first of them

    @property
    def present(self) -> bool:
        """Whether the folder holds anything to remove or to report."""
        return self.files > 0 or self.others > 0


def look_at_output(folder: Path) -> LocalFiles:
    """Count the Parquet files of partitions and the export's records in the output folder. Links are never followed.

    Raises OSError for a folder that cannot be listed.
    """
    return _look(folder, _LAKE_FILE)


def look_at_receipts(folder: Path) -> LocalFiles:
    """Count the receipts in their folder. Raises OSError for a folder that cannot be listed."""
    return _look(folder, _RECEIPT)


def remove_output(folder: Path) -> int:
    """Remove what `look_at_output` counts, and the folders left empty. Return the number of removed files."""
    removed = _remove(folder, _LAKE_FILE)
    with suppress(OSError):  # It does not exist, is not empty, or is a link.
        (folder / RECORDS).rmdir()
        folder.rmdir()
    return removed


def remove_receipts(folder: Path) -> int:
    """Remove the receipts. Return the number of removed files."""
    return _remove(folder, _RECEIPT)


def _look(folder: Path, pattern: re.Pattern[str]) -> LocalFiles:
    count = size = 0
    others: list[str] = []
    for path, ours in _files(folder, pattern):
        if ours:
            count, size = count + 1, size + path.lstat().st_size
        else:
            others.append(str(path.relative_to(folder)))
    return LocalFiles(folder, count, size, len(others), tuple(sorted(others)[:_SAMPLE]))


def _remove(folder: Path, pattern: re.Pattern[str]) -> int:
    """Remove what can be removed; the verification finds and names the rest."""
    found: list[Path] = []
    with suppress(OSError):
        for path, ours in _files(folder, pattern):
            found += [path] if ours else []
    removed: list[Path] = []
    for path in found:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            removed.append(path)
    _remove_empty(folder, removed)
    return len(removed)


def _files(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, bool]]:
    """Yield every file and link in the folder, and whether it is a file of Shoreline's."""
    for place, folders, names in walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(place) / name
            matches = pattern.fullmatch(path.relative_to(folder).as_posix()) is not None
            yield path, matches and not path.is_symlink()


def _remove_empty(folder: Path, removed: Iterable[Path]) -> None:
    """Remove the folders that removed files leave empty, except a mount point."""
    places = {place for path in removed for place in path.parents if place == folder or folder in place.parents}
    for place in sorted(places, key=lambda place: len(place.parts), reverse=True):
        with suppress(OSError):  # It is not empty, is a mount point, or may not be removed.
            place.rmdir()
