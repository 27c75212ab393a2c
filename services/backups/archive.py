"""Makes backups, and removes them: the manifest is written last and deleted first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime

from services import __version__, human
from services.backups.catalog import Backup, Catalog, Contents
from services.backups.dump import PlainDump
from services.backups.manifest import FORMAT_VERSION, File, Manifest
from services.backups.naming import MANIFEST, Name, Naming, object_suffix
from services.backups.parts import PartPlan
from services.backups.retention import Candidate, Decision, Retention, plan
from services.backups.traits import traits_of
from services.backups.upload import upload
from services.database import Database
from services.errors import BackupFailed, ShorelineError, StorageError
from services.storage import KeyTaken, Storage

_SHRUNK = 0.5  # of the size before, which is worth a warning


@dataclass(frozen=True)
class Archive:
    """The backups under one prefix of a bucket. `run_id` marks what this run writes."""

    storage: Storage
    naming: Naming
    run_id: str
    parts: PartPlan = field(default_factory=PartPlan)

    @property
    def catalog(self) -> Catalog:
        """Reads what is there."""
        return Catalog(self.storage, self.naming)

    def create(self, database: Database, taken_at: datetime, advance: Callable[[int], None] = lambda _: None) -> Backup:
        """Makes a backup. Raises ShorelineError when it could not: then nothing of it is left or listed."""
        began = time.monotonic()
        server, client = database.check_versions()
        traits, size = traits_of(database), database.size()
        name = self.naming.name(database.name, taken_at)
        key = name.key(object_suffix("plain", encrypted=False))
        dump = PlainDump(database, advance)
        with closing(dump.blocks()) as blocks:
            upload(
                self.storage,
                key,
                blocks,
                digest=dump.digest,
                plan=self.parts,
                owner=self.run_id,
                content_type="application/gzip",
            )
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            tool_version=__version__,
            run_id=self.run_id,
            lease_token=0,
            database=database.name,
            taken_at=name.taken_at,
            server_version=str(server),
            client_version=str(client),
            format="plain",
            object=File(key.rpartition("/")[2], dump.digest.bytes, dump.digest.sha256),
            plain_bytes=dump.plain_bytes,
            database_bytes=size,
            seconds=round(time.monotonic() - began, 3),
            encrypted=False,
            fingerprint=dump.fingerprint,
            traits=traits,
        )
        try:
            self._commit(name, manifest)
        except BaseException:
            with suppress(ShorelineError):
                self.storage.delete([key])
            raise
        return Backup(name, manifest, taken_at, (key, name.key(MANIFEST)))

    def _commit(self, name: Name, manifest: Manifest) -> None:
        """Writes the manifest, which makes the backup one. A request that was repeated may meet what it wrote."""
        key, text = name.key(MANIFEST), manifest.to_json()
        try:
            self.storage.put(key, text, content_type="application/json", only_if_absent=True)
        except KeyTaken as error:
            if self.storage.read(key) != text:
                raise BackupFailed(f"There is a backup {name.stem} already.") from error

    def clear(self, contents: Contents) -> int:
        """Removes what failed runs left: objects without a manifest, uploads without an end. Gives their number."""
        uploads = [
            item for item in self.storage.uploads(f"{self.naming.prefix}/") if self.naming.parse(item.key) is not None
        ]
        for item in uploads:
            self.storage.abort_upload(item.key, item.upload_id)
        self.storage.delete(contents.leftovers)
        return len(uploads) + len(contents.leftovers)

    def remove(self, backups: Sequence[Backup]) -> None:
        """Deletes backups, their manifests first. Raises StorageError when the store kept one and said nothing."""
        manifests = [backup.name.key(MANIFEST) for backup in backups]
        self.storage.delete(manifests)
        self.storage.delete(key for backup in backups for key in backup.keys if not key.endswith(MANIFEST))
        doomed = {key for backup in backups for key in backup.keys}
        if doomed:
            kept = sorted(item.key for item in self.storage.objects(f"{self.naming.prefix}/") if item.key in doomed)
            if kept:
                raise StorageError(f"The store said that it deleted {kept[0]}, and holds it still.")


def decide(backups: Sequence[Backup], policy: Retention, now: datetime) -> list[Decision]:
    """What retention makes of the complete backups of one database."""
    return plan(
        [
            Candidate(each.name.stem, each.taken_at, each.stored_at, proved=each.drill is not None and each.drill.ok)
            for each in backups
        ],
        policy,
        now,
    )


def shrunk(made: Backup, before: Backup | None) -> str | None:
    """A warning when a backup is less than half as large as the one before, or None."""
    if before is None or made.manifest.plain_bytes >= before.manifest.plain_bytes * _SHRUNK:
        return None
    sizes = (human.size(before.manifest.plain_bytes), human.size(made.manifest.plain_bytes))
    return f"{made.manifest.database} fell from {sizes[0]} to {sizes[1]} since {human.moment(before.taken_at)}."
