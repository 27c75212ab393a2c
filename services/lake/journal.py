"""What a compact is about to do, kept in the bucket: the next one undoes or ends what a killed one left."""

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
        """Whether the manifest names all results: from then on the sources are superfluous."""
        entries = {path: manifest.files.get(path) for path in self.results}
        return all(entry is not None and entry.sha256 == self.results[path] for path, entry in entries.items())


@dataclass(frozen=True)
class Journal:
    """The days of each table that one compact merges, by their folder."""

    tables: Mapping[str, Mapping[str, DayMerge]]

    def to_json(self) -> bytes:
        """The journal as it is stored."""
        tables = {
            table: {folder: {"sources": day.sources, "results": day.results} for folder, day in days.items()}
            for table, days in self.tables.items()
        }
        return json.dumps({"version": _VERSION, "tables": tables}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Journal:
        """The journal that was stored. Raises LakeError, which names `where`, when it is none."""
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
    """The journal of a compact that did not end; None when there is none. Raises LakeError when it cannot be read."""
    text = lake.storage.read(lake.journal_key, max_bytes=DOCUMENT_BYTES)
    return None if text is None else Journal.from_json(text, lake.storage.url(lake.journal_key))


def open_journal(lake: RemoteLake, journal: Journal) -> None:
    """Keeps the journal. Raises Busy when another compact has one."""
    try:
        lake.storage.put(lake.journal_key, journal.to_json(), content_type="application/json", only_if_absent=True)
    except PreconditionFailed as error:
        raise Busy("Another compact began while this one was running.") from error


def close_journal(lake: RemoteLake, journal: Journal) -> None:
    """Removes the journal, unless it is another compact's by now."""
    if lake.storage.read(lake.journal_key) == journal.to_json():
        lake.storage.delete([lake.journal_key])


def recover(lake: RemoteLake, journal: Journal) -> None:
    """Removes what the compact left: its results where the manifest does not name them, else their sources.

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
    """The keys that `recover` would remove."""
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
    """Whether the object is the result itself, not what an upload stored under its name since."""
    told = lake.sha256(found)
    if told is not None and ("-" in told) == ("-" in sha256):
        return told == sha256
    # A store that keeps no checksums, or a journal of an older version: its bytes tell.
    body = lake.storage.read_range(found.key, 0, found.size, etag=found.etag)
    return body is not None and is_of(body, sha256)
