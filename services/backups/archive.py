"""Makes backups, and removes them: the manifest is written last and deleted first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from services.backups.catalog import Backup, Catalog, Contents, Listed
from services.backups.health import candidate
from services.backups.lease import DEFAULT_SECONDS, Holder, Lease, hold, is_lease_of_others, lease_key
from services.backups.making import DumpOptions, Making
from services.backups.naming import MANIFEST, Name, Naming, folder_of
from services.backups.retention import Decision, Retention, plan
from services.database import Database
from services.errors import BackupFailed, StorageError
from services.storage import Storage

_LOOKS = 8  # for a free name, in two seconds


@dataclass(frozen=True)
class Archive:
    """The backups under one prefix of a bucket. `run_id` marks what this run writes."""

    storage: Storage
    naming: Naming
    run_id: str
    lease_seconds: float = DEFAULT_SECONDS

    @property
    def catalog(self) -> Catalog:
        """Reads what is there."""
        return Catalog(self.storage, self.naming)

    @contextmanager
    def lease(self, job: str, say: Callable[[str], None] = lambda _: None) -> Iterator[Lease]:
        """The right to write here, for as long as the context lasts. Raises Busy, which says who has it."""
        wanted = Holder(job, socket.gethostname(), self.run_id, self.storage.now(), self.lease_seconds)
        with hold(self.storage, lease_key(self.naming.prefix), wanted, say) as lease:
            yield lease

    def create(
        self,
        database: Database,
        lease: Lease,
        options: DumpOptions,
        *,
        own_folder: bool = False,
        advance: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        previous: Listed | None = None,
    ) -> Backup:
        """Makes a backup, named for the store's time; `say` is given what the dump waits for.

        `previous` is the newest backup of the database so far, which this one is compared with.
        Raises ShorelineError when it could not: then nothing is left.
        """
        if own_folder:
            self._require_ours(folder_of(database.name))
        name = self._free_name(database.name, own_folder=own_folder)
        return Making(self.storage, name, lease, options).make(database, advance, say, previous)

    def _require_ours(self, folder: str) -> None:
        """Raises BackupFailed when a folder is the prefix of other backups: no catalog of ours looks there."""
        prefix = f"{self.naming.prefix}/{folder}"
        inner = lease_key(prefix)
        if self.storage.head(inner) is None:
            return
        has_backups = any(item.key.endswith(MANIFEST) for item in self.storage.objects(f"{prefix}/"))
        if is_lease_of_others(self.storage, inner, has_backups=has_backups):
            raise BackupFailed(
                f"Its folder is the prefix of other backups, which hold {self.storage.url(inner)}. Set BACKUP_PREFIX to"
                " one with no other below it; or delete that object, when nothing uses that prefix any more."
            )

    def _free_name(self, database: str, *, own_folder: bool) -> Name:
        """A name of this second, or of one soon, that no backup has."""
        for _ in range(_LOOKS):
            name = self.naming.name(database, self.storage.now(), own_folder=own_folder)
            if next(self.storage.objects(f"{name.stem}."), None) is None:
                break
            time.sleep(2 / _LOOKS)
        return name

    def clear(self, contents: Contents, lease: Lease) -> int:
        """Removes what failed runs left: objects without a manifest, uploads without an end. Gives their number."""
        uploads = [
            item
            for item in self.storage.uploads(f"{self.naming.prefix}/")
            if (parsed := self.naming.parse(item.key)) is not None and parsed[0].folder not in contents.inner
        ]
        if uploads or contents.leftovers:
            lease.check()
        for item in uploads:
            self.storage.upload(item.key, item.upload_id).abort()
        self.storage.delete(contents.leftovers)
        return len(uploads) + len(contents.leftovers)

    def remove(self, backups: Sequence[Listed], lease: Lease) -> None:
        """Deletes backups, their manifests first. Raises StorageError when the store kept one and said nothing."""
        if not backups:
            return
        lease.check()
        self.storage.delete(backup.name.key(MANIFEST) for backup in backups)
        self.storage.delete(key for backup in backups for key in backup.keys if not key.endswith(MANIFEST))
        doomed = {key for backup in backups for key in backup.keys}
        kept = sorted(item.key for item in self.storage.objects(f"{self.naming.prefix}/") if item.key in doomed)
        if kept:
            raise StorageError(f"The store said that it deleted {kept[0]}, and holds it still.")


def decide(backups: Sequence[Listed], policy: Retention, now: datetime) -> list[Decision]:
    """What retention makes of the complete backups of one database."""
    return plan([candidate(each) for each in backups], policy, now)


def let_go(backups: Iterable[Listed], decisions: Iterable[Decision]) -> list[Listed]:
    """The backups that the decisions do not keep."""
    keys = {decision.key for decision in decisions if not decision.keep}
    return [each for each in backups if each.name.stem in keys]
