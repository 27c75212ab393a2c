"""Which backups there are, by their manifests: what has none is no backup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from services import formatting
from services.backups.lease import is_lease_of_others
from services.backups.manifest import BackupManifest, BackupSummary, DrillRecord
from services.backups.naming import ACCEPTED, DRILL, MANIFEST, Name, Naming, folder_of
from services.backups.shrinkage import Shrinkage
from services.bounds import DOCUMENT_BYTES
from services.errors import BackupDamaged, BackupNotFound, ShorelineError, StorageError, StorageUnreachable
from services.s3.objects import Storage, StoredObject
from services.s3.responses import AccessDenied

_READERS = 16  # manifests that are read at once


@dataclass(frozen=True)
class ListedBackup:
    """One complete backup of many. `stored_at` is when its manifest was written, by the store's clock, in UTC."""

    name: Name
    summary: BackupSummary
    stored_at: datetime
    keys: tuple[str, ...]
    drill: DrillRecord | None = None

    @property
    def key(self) -> str:
        """The key of the dump."""
        return self.beside(self.summary.object.name)

    @property
    def taken_at(self) -> datetime:
        """When it was begun, in UTC: the time in its name."""
        return self.name.taken_at

    @property
    def stored_bytes(self) -> int:
        """Bytes of all its objects but the small ones."""
        extra = self.summary.globals.bytes if self.summary.globals else 0
        return self.summary.object.bytes + extra

    @property
    def size(self) -> Shrinkage:
        """What a later backup is compared with."""
        return Shrinkage(self.name.stem, self.taken_at, self.summary.rows, self.summary.plain_bytes)

    @property
    def shrank(self) -> Shrinkage | None:
        """What the database shrank from before this backup, unless somebody accepted that."""
        return None if self.name.key(ACCEPTED) in self.keys else self.summary.shrank

    def beside(self, file: str) -> str:
        """The key of a file in the backup's folder."""
        return f"{self.name.stem.rpartition('/')[0]}/{file}"


@dataclass(frozen=True, kw_only=True)
class Backup(ListedBackup):
    """One complete backup with its whole manifest; `storage_class` is that of its dump."""

    manifest: BackupManifest
    storage_class: str = "STANDARD"

    @classmethod
    def of(
        cls,
        name: Name,
        manifest: BackupManifest,
        stored_at: datetime,
        keys: tuple[str, ...],
        drill: DrillRecord | None = None,
    ) -> Self:
        """The backup that a manifest describes."""
        return cls(name=name, summary=manifest.summary, stored_at=stored_at, keys=keys, drill=drill, manifest=manifest)

    @property
    def listed(self) -> ListedBackup:
        """It without its manifest."""
        return ListedBackup(self.name, self.summary, self.stored_at, self.keys, self.drill)


@dataclass(frozen=True)
class Damaged:
    """A manifest whose backup is not there, or not as it says."""

    name: Name
    problem: str


@dataclass(frozen=True)
class BackupListing:
    """What lies under the prefix: complete backups, newest first; damaged ones; keys that belong to neither.

    `inner` are folders with a lease of their own: prefixes of other runs, in which nothing is ours.
    """

    backups: tuple[ListedBackup, ...]
    damaged: tuple[Damaged, ...]
    leftovers: tuple[str, ...]
    inner: frozenset[str] = frozenset()

    def of(self, database: str) -> tuple[ListedBackup, ...]:
        """The complete backups of one database, newest first."""
        return tuple(backup for backup in self.backups if backup.summary.database == database)


Files = Mapping[str, StoredObject]  # by suffix
_Opened = Backup | Damaged | ShorelineError


class BackupCatalog:
    """Reads what lies under the naming's prefix."""

    def __init__(self, storage: Storage, naming: Naming) -> None:
        self._storage = storage
        self._naming = naming

    def read(self) -> BackupListing:
        """All of it: one listing, and one small read for each manifest and drill record."""
        listed, inner = self._listed()
        leftovers = [item.key for files in listed.values() if MANIFEST not in files for item in files.values()]
        committed = [(name, files) for name, files in listed.items() if MANIFEST in files]
        with ThreadPoolExecutor(_READERS) as readers:
            opened = list(readers.map(lambda pair: self._try_open(*pair), committed))
        refusals = [item for item in opened if isinstance(item, AccessDenied)]
        if len(refusals) == len(opened) > 1:  # the role may read none: that is no damage
            raise refusals[0]
        described = [_described(name, item) for (name, _), item in zip(committed, opened, strict=True)]
        return BackupListing(
            backups=tuple(item for item in described if isinstance(item, ListedBackup)),
            damaged=tuple(item for item in described if isinstance(item, Damaged)),
            leftovers=tuple(leftovers),
            inner=inner,
        )

    def newest(self, database: str, before: datetime | None = None) -> Backup:
        """The newest complete backup of a database, or the newest that was begun before a time.

        Raises BackupNotFound, or what the store said of a manifest when no other backup matches. A damaged one is
        passed over: `read` names it.
        """
        refusal: ShorelineError | None = None
        for backup in self._newest_first(before, {None, folder_of(database)}):
            if isinstance(backup, Backup) and backup.manifest.database == database:
                return backup
            if isinstance(backup, ShorelineError):
                refusal = refusal or backup
        if refusal is not None:
            raise refusal
        limit = f" before {before:%Y-%m-%d %H:%M:%S} UTC" if before else ""
        raise BackupNotFound(f"There is no complete backup of {database}{limit} under {self._where}.")

    def named(self, key: str, database: str | None = None) -> Backup:
        """The backup that a key belongs to, or its last part where only one has it; of one database, if that is given.

        Raises BackupNotFound or BackupDamaged.
        """
        wanted = key.removeprefix(f"s3://{self._storage.bucket}/")
        folders = None if database is None else {None, folder_of(database)}
        listed, _ = self._listed()
        keys = {
            name: {name.stem, *(item.key for item in files.values())}
            for name, files in listed.items()
            if MANIFEST in files and (folders is None or name.folder in folders)
        }
        found = [name for name, own in keys.items() if wanted in own] or [
            name for name, own in keys.items() if wanted in {each.rpartition("/")[2] for each in own}
        ]
        if len(found) > 1:
            raise BackupNotFound(
                f"{key} names {len(found)} backups.",
                next_step="Give the whole key: `shoreline backups --json` shows it.",
            )
        for name in found:
            backup = self._try_open(name, listed[name])
            if isinstance(backup, ShorelineError):
                raise BackupDamaged(f"{name.stem}: {_unreadable(backup)}.", next_step=backup.next_step) from backup
            if isinstance(backup, Damaged):
                raise BackupDamaged(f"{name.stem}: {backup.problem}.")
            if database in (None, backup.manifest.database):
                return backup
        of = "" if database is None else f" of {database}"
        raise BackupNotFound(f"There is no complete backup {key}{of} under {self._where}.")

    @property
    def _where(self) -> str:
        return self._storage.url(self._naming.prefix)

    def _newest_first(self, before: datetime | None, folders: set[str | None]) -> Iterator[_Opened]:
        for name, files in self._listed()[0].items():
            if MANIFEST in files and name.folder in folders and (before is None or name.taken_at < before):
                yield self._try_open(name, files)

    def _listed(self) -> tuple[dict[Name, Files], frozenset[str]]:
        """The files of each name, newest first, and the folders that are other prefixes."""
        listed: dict[Name, dict[str, StoredObject]] = {}
        leases: dict[str, str] = {}
        for item in self._storage.objects(f"{self._naming.prefix}/"):
            folder = self._naming.inner(item.key)
            if folder is not None:
                leases[folder] = item.key
            parsed = self._naming.parse(item.key)
            if parsed is not None:
                name, suffix = parsed
                listed.setdefault(name, {})[suffix] = item
        counts = Counter(name.folder for name, files in listed.items() if MANIFEST in files)
        others = frozenset(
            folder
            for folder, key in leases.items()
            if is_lease_of_others(self._storage, key, has_backups=counts[folder] > 0)
        )
        for folder in sorted(others):
            from loguru import logger

            told = formatting.count(counts[folder], "backup")
            logger.info("{}/{}/ is the prefix of other runs: {} there left out", self._where, folder, told)
        ours = [(name, files) for name, files in listed.items() if name.folder not in others]
        return dict(sorted(ours, key=lambda pair: (pair[0].taken_at, pair[0].stem), reverse=True)), others

    def _try_open(self, name: Name, files: Files) -> _Opened:
        """The backup; its damage; or why the store does not give this manifest, although it answers otherwise."""
        try:
            return self._open(name, files)
        except StorageError as error:
            return error
        except StorageUnreachable as error:
            self._storage.require()  # raises when the store is away, not only this object
            return error

    def _open(self, name: Name, files: Files) -> Backup | Damaged:
        text = self._storage.read(files[MANIFEST].key, max_bytes=DOCUMENT_BYTES)
        if text is None:
            return Damaged(name, "its manifest was deleted meanwhile")
        try:
            manifest = BackupManifest.from_json(text)
        except ValueError as error:
            return Damaged(name, _unreadable(error))
        keys = tuple(item.key for item in files.values())
        backup = Backup.of(name, manifest, files[MANIFEST].modified, keys, self._drill(files))
        stored = {item.key: item for item in files.values()}
        for file in filter(None, (manifest.object, manifest.globals)):
            found = stored.get(backup.beside(file.name))
            if found is None:
                return Damaged(name, f"{file.name} is missing")
            if found.size != file.bytes:
                return Damaged(name, f"{file.name} has {found.size:,} bytes instead of {file.bytes:,}")
        return replace(backup, storage_class=stored[backup.key].storage_class)

    def _drill(self, files: Files) -> DrillRecord | None:
        if DRILL not in files:
            return None
        key = files[DRILL].key
        try:
            text = self._storage.read(key, max_bytes=DOCUMENT_BYTES)
            return None if text is None else DrillRecord.from_json(text)
        except (ValueError, StorageError) as error:  # it proves nothing
            from loguru import logger

            logger.warning("{} is not a readable drill record and counts as none: {}", self._storage.url(key), error)
            return None


def _unreadable(error: Exception) -> str:
    return f"its manifest cannot be read: {error}"


def _described(name: Name, opened: _Opened) -> ListedBackup | Damaged:
    """The backup without its manifest, or what is wrong with it."""
    if isinstance(opened, ShorelineError):
        return Damaged(name, _unreadable(opened))
    return opened.listed if isinstance(opened, Backup) else opened
