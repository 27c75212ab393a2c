"""The lake in the bucket: its listing, its manifests, and the identity of each file."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from services.bounds import DOCUMENT_BYTES
from services.errors import BucketMissing, Busy
from services.lake.files import LocalFile
from services.lake.manifest import LakeManifest, Unreadable
from services.lake.partitions import is_own
from services.lake.plan import StoredFile
from services.lake.record import ExportRecord
from services.lake.transfer import THREADS, of_s3
from services.s3.objects import ObjectDamaged, PreconditionFailed, Storage, StoredObject

_FOLDER = "_manifest"  # hidden from query engines, beside the tables' folders


@dataclass(frozen=True)
class StoredManifest:
    """A table's manifest, and the ETag of its object; None for a table without a manifest."""

    manifest: LakeManifest
    etag: str | None


class RemoteLake:
    """The lake under `prefix` in the bucket."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self.storage = storage
        self.prefix = prefix

    @property
    def url(self) -> str:
        """The lake's s3:// address."""
        return self.storage.url(f"{self.prefix}/")

    @property
    def journal_key(self) -> str:
        """The key of a compact's journal."""
        return f"{self.prefix}/{_FOLDER}/compact.journal.json"

    def tables(self) -> list[str]:
        """Return the tables that have a manifest, in the order of their names."""
        folder, ending = f"{self.prefix}/{_FOLDER}/", ".json"
        names = (found.key.removeprefix(folder).removesuffix(ending) for found in self.storage.objects(folder))
        return sorted(name for name in names if "." not in name)

    def key(self, table: str, path: str) -> str:
        """Return the key of a file, by its path below its table's folder."""
        return f"{self.prefix}/{table}/{path}"

    def listed(self, table: str) -> dict[str, StoredObject]:
        """Return a table's objects by their path below its folder."""
        folder = self.key(table, "")
        return {found.key.removeprefix(folder): found for found in self.storage.objects(folder)}

    def recorded(self, table: str) -> StoredManifest:
        """Return a table's manifest. Raises Unreadable when it cannot be read."""
        key = self._manifest_key(table)
        url = self.storage.url(key)
        try:
            found = self.storage.stamped(key, max_bytes=DOCUMENT_BYTES)
        except ObjectDamaged as error:
            raise Unreadable(f"{error}", next_step="Delete it and run `shoreline upload`.") from error
        if found is None:
            return StoredManifest(LakeManifest(table), None)
        manifest = LakeManifest.from_json(found.body, url)
        if manifest.table != table:
            raise Unreadable(
                f"{url} is the manifest of another table, {manifest.table}.",
                next_step="Delete it and run `shoreline upload`.",
            )
        return StoredManifest(manifest, found.etag)

    def record(self, manifest: LakeManifest, before: StoredManifest) -> None:
        """Write a table's manifest. Raises Busy when it is no longer the one that was read `before`."""
        self._write(manifest.table, manifest.to_json(), before)

    def fence(self, before: StoredManifest) -> None:
        """Rewrite the manifest, so that nobody else who read it `before` can write it.

        Raises Busy when it is no longer the one that was read `before`.
        """
        self._write(before.manifest.table, before.manifest.to_json(after=before.etag), before)

    def _write(self, table: str, body: bytes, before: StoredManifest) -> None:
        try:
            self.storage.put(
                self._manifest_key(table),
                body,
                content_type="application/json",
                only_if_absent=before.etag is None,
                only_if_etag=before.etag,
            )
        except PreconditionFailed as error:
            raise Busy(f"Another upload of {table} ended while this one was running.") from error

    def export_record(self, table: str) -> ExportRecord | None:
        """Return the record of the export that the lake holds of a table; None before the first.

        Raises Unreadable when it cannot be read.
        """
        key = self._export_key(table)
        try:
            text = self.storage.read(key, max_bytes=DOCUMENT_BYTES)
        except BucketMissing:
            return None
        except ObjectDamaged as error:
            raise Unreadable(f"{error}", next_step="Run `shoreline export --full`, which writes a new one.") from error
        return None if text is None else ExportRecord.from_json(text, self.storage.url(key))

    def record_export(self, record: ExportRecord) -> None:
        """Record that the lake holds what was exported."""
        body = replace(record, unwritten=frozenset()).to_json()
        self.storage.put(self._export_key(record.table), body, content_type="application/json")

    def forget_export(self, table: str) -> None:
        """Delete the record: the lake no longer holds an export of the table."""
        self.storage.delete([self._export_key(table)])

    def identify(
        self, listed: Mapping[str, StoredObject], local: Mapping[str, LocalFile], manifest: LakeManifest
    ) -> dict[str, StoredFile]:
        """Return the listed files with their checksums, and whether Shoreline wrote them.

        A file that the manifest does not name, as after a killed upload, is identified by the SHA-256 that S3 keeps of
        it. One of Shoreline's names without a SHA-256 was written by another program.
        """

        def identify(path: str, found: StoredObject) -> StoredFile:
            entry = manifest.files.get(path)
            if entry is not None and (entry.size, entry.etag) == (found.size, found.etag):
                return StoredFile(found.size, found.etag, entry.sha256, is_own(path))
            same_size = path in local and local[path].size == found.size
            sha256 = self.sha256(found) if same_size or (entry is None and is_own(path)) else None
            return StoredFile(
                found.size, found.etag, sha256, is_own(path) and (entry is not None or sha256 is not None)
            )

        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(listed, pool.map(identify, listed, listed.values()), strict=True))

    def sha256(self, found: StoredObject) -> str | None:
        """Return the checksum that S3 keeps of a listed object; None if it was replaced, or sent without one."""
        checksum = self.storage.sha256(found.key, etag=found.etag)
        return None if checksum is None else of_s3(checksum)

    def _manifest_key(self, table: str) -> str:
        return f"{self.prefix}/{_FOLDER}/{table}.json"

    def _export_key(self, table: str) -> str:
        return f"{self.prefix}/{_FOLDER}/{table}.export.json"
