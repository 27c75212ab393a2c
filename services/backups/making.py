"""Makes one backup: all of it, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from services import __version__
from services.backups.catalog import Backup, Listed
from services.backups.dump import DUMPS
from services.backups.encryption import Recipient, encrypted
from services.backups.globals import GlobalsPolicy, dump_globals
from services.backups.lease import Lease
from services.backups.manifest import FORMAT_VERSION, File, Manifest
from services.backups.naming import MANIFEST, Format, Name, globals_suffix, object_suffix
from services.backups.parts import PartPlan
from services.backups.sealing import sealed
from services.backups.shrinkage import shrinkage
from services.backups.streams import Blocks, Digest, compressed
from services.backups.traits import traits_of
from services.backups.upload import upload
from services.backups.waiting import Limits
from services.costs.budget import releasing
from services.database import Database
from services.errors import BackupFailed, ShorelineError
from services.storage import KeyTaken, Storage


@dataclass(frozen=True)
class DumpOptions:
    """What a backup is: its format, who alone can decrypt it (none: it is not encrypted), what is stored beside it."""

    format: Format = "plain"
    recipients: Sequence[Recipient] = ()
    globals: GlobalsPolicy = "full"
    parts: PartPlan = PartPlan()  # noqa: RUF009  # a frozen value
    limits: Limits = Limits()  # noqa: RUF009  # a frozen value


class Making:
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
        previous: Listed | None = None,
    ) -> Backup:
        """Dumps, uploads, confirms, and commits with the manifest. On any failure it takes back what it wrote.

        `say` is given what the dump waits for; `previous` is the newest backup of the database so far.
        """
        try:
            manifest = self._store(database, advance, say)
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

    def _store(self, database: Database, advance: Callable[[int], None], say: Callable[[str], None]) -> Manifest:
        began = time.monotonic()
        server, client = database.check_versions()
        traits, size = traits_of(database), database.size()
        encrypt = bool(self._options.recipients)
        dump = DUMPS[self._options.format](database, self._options.recipients, advance, self._options.limits, say)
        suffix = object_suffix(self._options.format, encrypted=encrypt)
        stored = self._upload(suffix, dump.blocks(), dump.digest)
        beside = self._store_globals(database) if self._options.globals != "none" else None
        return Manifest(
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

    def _upload(self, suffix: str, blocks: Blocks, digest: Digest) -> File:
        key = self._name.key(suffix)
        with closing(blocks):
            upload(self._storage, key, blocks, digest=digest, plan=self._options.parts, owner=self._lease.holder.run_id)
        self._written.append(key)
        return File(key.rpartition("/")[2], digest.bytes, digest.sha256)

    def _commit(self, manifest: Manifest) -> None:
        """Writes the manifest, which makes the backup one, while the lease is surely held."""
        key, text = self._name.key(MANIFEST), manifest.to_json()
        self._lease.check()
        self._committing = True
        try:
            self._storage.put(key, text, content_type="application/json", only_if_absent=True)
        except KeyTaken as error:  # a request that was repeated may meet what it wrote
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
