"""Archives over a test's bucket, as runs of jobs see them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from services.backups.catalog import Backup
from services.backups.naming import Naming
from services.backups.repository import BackupRepository, DumpOptions
from services.backups.stream import Digest
from services.postgres.client import Database
from services.s3.multipart import SMALLEST, PartPlan
from services.s3.objects import Storage

PREFIX = "backups/postgres"
SMALL_PARTS = DumpOptions(parts=PartPlan(first=SMALLEST), globals="none")
LEASE_SECONDS = 0.5


@dataclass(frozen=True)
class Archives:
    """Archives over one bucket, as different runs see it."""

    storage: Storage

    def of(self, storage: Storage | None = None, lease_seconds: float = LEASE_SECONDS) -> BackupRepository:
        """The archive of a new run."""
        return BackupRepository(storage or self.storage, Naming(PREFIX), secrets.token_hex(4), lease_seconds)

    def back_up(self, database: Database, storage: Storage | None = None, options: DumpOptions = SMALL_PARTS) -> Backup:
        """A whole run of the backup job, but for its retention."""
        archive = self.of(storage)
        with archive.lease("backup") as lease:
            archive.clear(archive.catalog.read(), lease)
            return archive.create(database, lease, options)

    def assert_whole(self) -> list[Backup]:
        """Every listed backup is there to the last byte; gives them, newest first."""
        contents = self.of().catalog.read()
        assert contents.damaged == ()
        for backup in contents.backups:
            digest, body = Digest(), self.storage.read(backup.key)
            assert body is not None
            list(digest.watch([body]))
            assert (digest.bytes, digest.sha256) == (backup.summary.object.bytes, backup.summary.object.sha256)
        return [self.of().catalog.named(backup.key) for backup in contents.backups]

    def assert_nothing_left(self) -> None:
        """There is no object but those of complete backups and the lease, and no unfinished upload."""
        contents = self.of().catalog.read()
        known = {key for backup in contents.backups for key in backup.keys} | {f"{PREFIX}/lease.json"}
        assert {item.key for item in self.storage.objects("")} <= known
        assert list(self.storage.uploads("")) == []
