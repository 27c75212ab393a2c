"""The cleanup of one bucket, from the look at it to the proof."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from services.cleanup.inventory import BucketInventory, look
from services.cleanup.output import look_at_output, look_at_receipts, remove_output, remove_receipts
from services.cleanup.ownership import require_account, require_bucket
from services.cleanup.plan import Plan, plan
from services.cleanup.proof import Proof
from services.cleanup.removal import Removal, Removed
from services.cleanup.report import CleanupReport
from services.cleanup.scope import Scope
from services.cleanup.trail import Trail
from services.storage import Storage


class Progress(Protocol):
    """Shows long work as it goes."""

    def task(
        self, label: str, total: int | None = None, unit: Literal["bytes", "items"] = "bytes"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """A function that is told how much was done since it was last called."""
        ...


@dataclass(frozen=True)
class Cleanup:
    """Everything needed to look, decide, remove and look again."""

    storage: Storage
    scope: Scope
    output: Path
    receipts: Path
    expected_account: str | None
    now: datetime
    progress: Progress

    def plan(self, *, keep_backups: bool = False, receipts: bool = False) -> Plan:
        """Looks at everything and decides; removes nothing.

        Raises WrongAccount or BucketNotOurs, and whatever a failed look raises: a plan is never partial.
        """
        account = require_account(self.storage.aws, self.expected_account)
        found = BucketInventory(exists=require_bucket(self.storage))
        if found.exists:
            with self.progress.task("looking", unit="items") as advance:
                found = look(self.storage, self.scope, self.now, advance)
        return plan(
            self.storage.bucket,
            account,
            self.scope,
            found,
            look_at_output(self.output),
            look_at_receipts(self.receipts) if receipts else None,
            keep_backups=keep_backups,
        )

    def planned(self, decided: Plan) -> CleanupReport:
        """The report of a dry run."""
        return CleanupReport(decided, carried_out=False, removed=Removed(), checks=(), requests=())

    def carry_out(self, decided: Plan) -> CleanupReport:
        """Removes what the plan says and proves it, by a second look through clients of its own."""
        trail = Trail()
        worker = Storage(self.storage.aws.again(trail.attach), self.storage.bucket)
        with self.progress.task("removing", decided.count, "items") as advance:
            removed = Removal(worker, self.scope, decided, advance).run()
        remove_output(decided.output.folder)
        if decided.receipts is not None:
            remove_receipts(decided.receipts.folder)
        checks = Proof(self.storage.aws.again(trail.attach), self.scope, decided, removed).checks()
        return CleanupReport(decided, True, removed, tuple(checks), tuple(trail.requests))
