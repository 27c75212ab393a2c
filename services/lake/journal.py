"""The journal of a compact, stored in the bucket: after a killed compact, the next one undoes or completes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from services.bounds import DOCUMENT_BYTES, document
from services.errors import Busy, LakeError
from services.lake.manifest import LakeManifest, TableName
from services.lake.remote import RemoteLake
from services.lake.transfer import is_of
from services.s3.objects import PreconditionFailed, StoredObject

_VERSION = 1


@dataclass(frozen=True)
class DayMerge:
    """A day's files that are merged, by path with their ETags, and those they become, with their checksums."""

    sources: Mapping[str, str]
    results: Mapping[str, str]

    def is_recorded(self, manifest: LakeManifest) -> bool:
        """Return whether the manifest names all results: from then on the sources are superfluous."""
        entries = {path: manifest.files.get(path) for path in self.results}
        return all(entry is not None and entry.sha256 == self.results[path] for path, entry in entries.items())


@dataclass(frozen=True)
class Journal:
    """The days of each table that one compact merges, by their folder."""

    tables: Mapping[str, Mapping[str, DayMerge]]

    def to_json(self) -> bytes:
        """Return the journal as it is stored."""
        tables = {
            table: {folder: {"sources": day.sources, "results": day.results} for folder, day in days.items()}
            for table, days in self.tables.items()
        }
        return json.dumps({"version": _VERSION, "tables": tables}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Journal:
        """Return the journal that was stored. Raises LakeError, which names `where`, for an unreadable one."""
        try:
            stored: _Stored = document(text, _VERSION, _STORED)
        except ValueError as error:
            raise LakeError(
                f"{where} is not a readable journal of a compact: {error}.",
                next_step="If a newer Shoreline wrote it, use that. Else delete it and run `shoreline compact` again.",
            ) from error
        return cls(stored.tables)


@dataclass(frozen=True)
class _Stored:
    """A journal as it is stored."""

    version: int
    tables: Mapping[TableName, Mapping[str, DayMerge]]


_STORED = TypeAdapter(_Stored)


def read_journal(lake: RemoteLake) -> Journal | None:
    """Return the journal of an unfinished compact, if any. Raises LakeError when it cannot be read."""
    text = lake.storage.read(lake.journal_key, max_bytes=DOCUMENT_BYTES)
    return None if text is None else Journal.from_json(text, lake.storage.url(lake.journal_key))


def open_journal(lake: RemoteLake, journal: Journal) -> None:
    """Store the journal. Raises Busy when another compact has stored one."""
    try:
        lake.storage.put(lake.journal_key, journal.to_json(), content_type="application/json", only_if_absent=True)
    except PreconditionFailed as error:
        raise Busy("Another compact started while this one was running.") from error


def close_journal(lake: RemoteLake, journal: Journal) -> None:
    """Delete the journal, unless it is now another compact's."""
    if lake.storage.read(lake.journal_key) == journal.to_json():
        lake.storage.delete([lake.journal_key])


def recover(lake: RemoteLake, journal: Journal) -> None:
    """Remove what the compact left: its results where the manifest does not name them, else their sources.

    A compact that is running still cannot record its results afterwards. Raises Busy when one just did, LakeError
    where neither the sources nor the recorded results are whole.
    """
    for table, days in journal.tables.items():
        before = lake.recorded(table)
        if not all(day.is_recorded(before.manifest) for day in days.values()):
            lake.fence(before)
        lake.storage.delete(lake.key(table, path) for path in _superfluous(lake, table, days, before.manifest))
    close_journal(lake, journal)


def superfluous(lake: RemoteLake, journal: Journal) -> set[str]:
    """Return the keys that `recover` would remove."""
    return {
        lake.key(table, path)
        for table, days in journal.tables.items()
        for path in _superfluous(lake, table, days, lake.recorded(table).manifest)
    }


def _superfluous(lake: RemoteLake, table: str, days: Mapping[str, DayMerge], manifest: LakeManifest) -> list[str]:
    listed = lake.listed(table)
    return [path for folder, day in days.items() for path in _of_day(lake, f"{table}/{folder}", day, manifest, listed)]


def _of_day(
    lake: RemoteLake, name: str, day: DayMerge, manifest: LakeManifest, listed: Mapping[str, StoredObject]
) -> Iterator[str]:
    named = {
        path
        for path, entry in manifest.files.items()
        if path in listed and (listed[path].size, listed[path].etag) == (entry.size, entry.etag)
    }
    sources = [path for path, etag in day.sources.items() if path in listed and listed[path].etag == etag]
    if day.is_recorded(manifest) and day.results.keys() <= named:
        yield from (path for path in sources if path not in named)
        return
    results = [
        path
        for path, sha256 in day.results.items()
        if path in listed and path not in named and _holds(lake, listed[path], sha256)
    ]
    if results and len(sources) < len(day.sources):
        raise LakeError(
            f"{name}: a compact was stopped here, and its files were changed since.",
            next_step=f"Upload that day again; or remove what is wrong, and {lake.storage.url(lake.journal_key)}.",
        )
    yield from results


def _holds(lake: RemoteLake, found: StoredObject, sha256: str) -> bool:
    """Return whether the object is the result, not a file that an upload has stored under its name since."""
    stored = lake.sha256(found)
    if stored is not None and ("-" in stored) == ("-" in sha256):
        return stored == sha256
    # The store has no checksums, or an older version wrote the journal: compare the content.
    body = lake.storage.read_range(found.key, 0, found.size, etag=found.etag)
    return body is not None and is_of(body, sha256)
