"""Makes backups, and removes them: the manifest is written last and deleted first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from services import __version__
from services.backups.catalog import Backup, BackupCatalog, BackupListing, ListedBackup
from services.backups.dump import DUMPS
from services.backups.encryption import Recipient, encrypted, sealed
from services.backups.globals import GlobalsPolicy, dump_globals
from services.backups.health import candidate
from services.backups.lease import DEFAULT_SECONDS, Lease, LeaseHolder, hold, is_lease_of_others, lease_key
from services.backups.manifest import FORMAT_VERSION, BackupManifest, File
from services.backups.naming import MANIFEST, Format, Name, Naming, folder_of, globals_suffix, object_suffix
from services.backups.retention import Decision, Retention, plan
from services.backups.shrinkage import shrinkage
from services.backups.stream import Blocks, Digest, compressed
from services.backups.traits import traits_of
from services.backups.upload import upload
from services.costs.budget import releasing
from services.errors import BackupFailed, ShorelineError, StorageError
from services.postgres.client import Database
from services.postgres.waiting import Limits
from services.s3.multipart import PartPlan
from services.s3.objects import PreconditionFailed, Storage


@dataclass(frozen=True)
class DumpOptions:
    """What a backup is: its format, who alone can decrypt it (none: it is not encrypted), what is stored beside it."""

    format: Format = "plain"
    recipients: Sequence[Recipient] = ()
    globals: GlobalsPolicy = "full"
    parts: PartPlan = PartPlan()  # noqa: RUF009  # a frozen value
    limits: Limits = Limits()  # noqa: RUF009  # a frozen value


class BackupWriter:
    """One backup on its way."""

    def __init__(self, storage: Storage, name: Name, lease: Lease, options: DumpOptions) -> None:
        self._storage = storage
        self._name = name
        self._lease = lease
        self._options = options
        self._written: list[str] = []
        self._committing = False  # whether a manifest of ours may be there

    def make(
        self,
        database: Database,
        advance: Callable[[int], None],
        say: Callable[[str], None] = lambda _: None,
        previous: ListedBackup | None = None,
    ) -> Backup:
        """Dumps, uploads, confirms, and commits with the manifest. On any failure it takes back what it wrote.

        `say` is given what the dump waits for; `previous` is the newest backup of the database so far.
        """
        try:
            manifest = self._store(database, advance, say, previous)
            if previous is not None:
                rows, plain_bytes = manifest.fingerprint.rows, manifest.plain_bytes
                shrank = shrinkage(previous.size, previous.shrank, rows=rows, plain_bytes=plain_bytes)
                manifest = replace(manifest, shrank=shrank)
            stored_at = self._storage.now()
            self._commit(manifest)
        except BaseException:
            with releasing(), suppress(ShorelineError):  # the next run removes what has no manifest
                self._take_back()
            raise
        return Backup.of(self._name, manifest, stored_at, (*self._written, self._name.key(MANIFEST)))

    def _take_back(self) -> None:
        """Deletes what was written, the manifest first: where that fails, a backup that may be whole stays whole."""
        if self._committing:
            self._storage.delete([self._name.key(MANIFEST)])
        self._storage.delete(self._written)

    def _store(
        self,
        database: Database,
        advance: Callable[[int], None],
        say: Callable[[str], None],
        previous: ListedBackup | None,
    ) -> BackupManifest:
        began = time.monotonic()
        server, client = database.check_versions()
        traits, size = traits_of(database), database.size()
        encrypt = bool(self._options.recipients)
        dump = DUMPS[self._options.format](database, self._options.recipients, advance, self._options.limits, say)
        suffix = object_suffix(self._options.format, encrypted=encrypt)
        expected = previous.summary.object.bytes if previous else size
        stored = self._upload(suffix, dump.blocks(), dump.digest, expected)
        beside = self._store_globals(database) if self._options.globals != "none" else None
        return BackupManifest(
            format_version=FORMAT_VERSION,
            tool_version=__version__,
            run_id=self._lease.holder.run_id,
            lease_token=self._lease.token,
            database=database.name,
            taken_at=self._name.taken_at,
            server_version=str(server),
            client_version=str(client),
            format=self._options.format,
            object=stored,
            globals=beside,
            plain_bytes=dump.plain_bytes,
            database_bytes=size,
            seconds=round(time.monotonic() - began, 3),
            encrypted=encrypt,
            fingerprint=dump.fingerprint,
            traits=sealed(traits, self._options.recipients),
            warnings=dump.warnings,
            facts=dump.facts,
        )

    def _store_globals(self, database: Database) -> File:
        digest = Digest()
        recipients = list(self._options.recipients)
        blocks = compressed(dump_globals(database, passwords=self._options.globals == "full"))
        sealed = digest.watch(encrypted(blocks, recipients) if recipients else blocks)
        return self._upload(globals_suffix(encrypted=bool(recipients)), sealed, digest)

    def _upload(self, suffix: str, blocks: Blocks, digest: Digest, expected: int = 0) -> File:
        """Stores a stream of about `expected` bytes."""
        key, plan = self._name.key(suffix), replace(self._options.parts, expected=expected)
        with closing(blocks):
            upload(self._storage, key, blocks, digest=digest, plan=plan, owner=self._lease.holder.run_id)
        self._written.append(key)
        return File(key.rpartition("/")[2], digest.bytes, digest.sha256)

    def _commit(self, manifest: BackupManifest) -> None:
        """Writes the manifest, which makes the backup one, while the lease is surely held."""
        key, text = self._name.key(MANIFEST), manifest.to_json()
        self._lease.check()
        self._committing = True
        try:
            self._storage.put(key, text, content_type="application/json", only_if_absent=True)
        except PreconditionFailed as error:  # a request that was repeated may meet what it wrote
            if self._storage.read(key) != text:
                self._committing = False
                raise BackupFailed(f"There is a backup {self._name.stem} already.") from error
        try:
            self._lease.check()
        except ShorelineError:
            self._refuse_if_cleared()

    def _refuse_if_cleared(self) -> None:
        """Whoever took the lease in between may have removed the dump, which had no manifest then."""
        if any(self._storage.head(written) is None for written in self._written):
            raise BackupFailed("Another run took the lease and removed this backup before it was committed.")


_LOOKS = 8  # for a free name, in two seconds


@dataclass(frozen=True)
class BackupRepository:
    """The backups under one prefix of a bucket. `run_id` marks what this run writes."""

    storage: Storage
    naming: Naming
    run_id: str
    lease_seconds: float = DEFAULT_SECONDS

    @property
    def catalog(self) -> BackupCatalog:
        """Reads what is there."""
        return BackupCatalog(self.storage, self.naming)

    @contextmanager
    def lease(self, job: str, say: Callable[[str], None] = lambda _: None) -> Iterator[Lease]:
        """The right to write here, for as long as the context lasts. Raises Busy, which says who has it."""
        wanted = LeaseHolder(job, socket.gethostname(), self.run_id, self.storage.now(), self.lease_seconds)
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
        previous: ListedBackup | None = None,
    ) -> Backup:
        """Makes a backup, named for the store's time; `say` is given what the dump waits for.

        `previous` is the newest backup of the database so far, which this one is compared with.
        Raises ShorelineError when it could not: then nothing is left.
        """
        if own_folder:
            self._require_ours(folder_of(database.name))
        name = self._free_name(database.name, own_folder=own_folder)
        return BackupWriter(self.storage, name, lease, options).make(database, advance, say, previous)

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

    def clear(self, contents: BackupListing, lease: Lease) -> int:
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

    def remove(self, backups: Sequence[ListedBackup], lease: Lease) -> None:
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


def decide(backups: Sequence[ListedBackup], policy: Retention, now: datetime) -> list[Decision]:
    """What retention makes of the complete backups of one database."""
    return plan([candidate(each) for each in backups], policy, now)


def select_expired(backups: Iterable[ListedBackup], decisions: Iterable[Decision]) -> list[ListedBackup]:
    """The backups that the decisions do not keep."""
    keys = {decision.key for decision in decisions if not decision.keep}
    return [each for each in backups if each.name.stem in keys]
