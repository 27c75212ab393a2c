"""The cleanup of one bucket and one Athena database, from the look at them to the proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from services.backups.scratch import abandoned, drop_abandoned
from services.cleanup.glue import CatalogInventory, RemovedFromCatalog, look_at_catalog, remove_from_catalog
from services.cleanup.inventory import BucketInventory, backup_of, look
from services.cleanup.listing import Scope
from services.cleanup.local_files import look_at_output, look_at_receipts, remove_output, remove_receipts
from services.cleanup.ownership import require_account, require_alone, require_bucket
from services.cleanup.plan import CleanupPlan, Inventory, plan
from services.cleanup.removal import Held, Removal, Removed
from services.cleanup.verification import PATIENCE, Check, Proof
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.postgres.client import Database
from services.s3.objects import Storage


@dataclass(frozen=True, slots=True)
class Request:
    """One answered call: its HTTP status and AWS's id of it."""

    service: str
    operation: str
    status: int
    request_id: str


class RequestLog:
    """Keeps the request ids of every call of the clients that it is attached to.

    Appending to a list is safe from many threads.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def attach(self, client: Any) -> None:
        """Keep the client's request ids from now on. Attaching it again changes nothing."""
        client.meta.events.register("after-call", self._after_call, unique_id=f"shoreline-trail-{id(self)}")

    def _after_call(self, parsed: Mapping[str, Any], event_name: str, **_: Any) -> None:
        _event, service, operation = event_name.split(".")
        answer = parsed.get("ResponseMetadata", {})
        self.requests.append(Request(service, operation, answer.get("HTTPStatusCode", 0), answer.get("RequestId", "")))


@dataclass(frozen=True)
class CleanupReport:
    """`checks` and `requests` are empty when nothing was carried out."""

    plan: CleanupPlan
    carried_out: bool
    removed: Removed
    catalog: RemovedFromCatalog
    checks: tuple[Check, ...]
    requests: tuple[Request, ...]


class CleanupProgress(Protocol):
    """Shows long work as it goes."""

    def task(
        self, label: str, total: int | None = None, unit: Literal["bytes", "items"] = "bytes"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """A function that is told how much was done since it was last called."""
        ...


@dataclass(frozen=True)
class Names:
    """What Athena's things are called, and below which s3:// addresses the data of Shoreline's tables lie.

    `views` are the names of Shoreline's own.
    """

    database: str
    workgroup: str
    locations: tuple[str, ...]
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cleanup:
    """Everything needed to look, decide, remove and look again.

    `names` is None where there is no Athena; `whole_account` tells whether the proof looks for the project's tag on
    the account's other buckets, too.
    """

    storage: Storage
    scope: Scope
    names: Names | None
    servers: tuple[Database, ...]  # whose scratch databases --scratch drops, once each
    output: Path
    receipts: Path
    expected_account: str | None
    whole_account: bool
    biller: Biller
    now: datetime
    progress: CleanupProgress

    def plan(self, *, keep_backups: bool = False, receipts: bool = False, scratch: bool = False) -> CleanupPlan:
        """Looks at everything and decides; removes nothing.

        Raises WrongAccount or BucketNotOurs, and whatever a failed look raises: a plan is never partial.
        """
        account = require_account(self.storage.aws, self.expected_account)
        found = BucketInventory(exists=require_bucket(self.storage))
        if found.exists:
            with self.progress.task("looking", unit="items") as advance:
                found = look(self.storage, self.scope, self.now, advance, load_prices().classes)
        going = self.scope.without_backups() if keep_backups else self.scope
        require_alone(self.storage.bucket, self.scope, going, found.neighbours)
        inventory = Inventory(
            bucket=found,
            output=look_at_output(self.output),
            receipts=look_at_receipts(self.receipts) if receipts else None,
            catalog=self._look_at_catalog(),
            scratch=tuple(name for server in self.servers for name in abandoned(server)) if scratch else None,
        )
        return plan(self.storage.bucket, account, self.scope, inventory, self.biller, keep_backups=keep_backups)

    def _look_at_catalog(self) -> CatalogInventory | None:
        if self.names is None:
            return None
        names = self.names
        return look_at_catalog(self.storage.aws, names.database, names.workgroup, names.locations, names.views)

    def planned(self, decided: CleanupPlan) -> CleanupReport:
        """The report of a dry run."""
        return CleanupReport(decided, False, Removed(), RemovedFromCatalog(), checks=(), requests=())

    def backups(self) -> tuple[str, ...]:
        """Return the backups that are there now, by key without suffix: the plan is checked against them."""
        found = [
            name.stem
            for area in self.scope.areas
            if area.holds_backups
            for item in self.storage.objects(area.prefix)
            for name in backup_of(item.key, area)
        ]
        return tuple(sorted(found))

    def carry_out(self, decided: CleanupPlan, lease: Held | None, removed: Removed | None = None) -> CleanupReport:
        """Removes what the plan says and proves it, by a second look through clients of its own.

        `lease` is None when there is no bucket. `removed` counts along, for a caller that may be stopped.
        """
        removed = removed if removed is not None else Removed()
        trail = RequestLog()
        worker = Storage(self.storage.aws.again(trail.attach), self.storage.bucket)
        catalog = RemovedFromCatalog()
        if decided.catalog is not None:
            catalog = remove_from_catalog(worker.aws, decided.catalog)
        if lease is not None:
            with self.progress.task("removing", decided.count, "items") as advance:
                Removal(worker, self.scope, decided, lease, advance, removed).run()
        removed.files[str(decided.output.folder)] = remove_output(decided.output.folder)
        if decided.receipts is not None:
            removed.files[str(decided.receipts.folder)] = remove_receipts(decided.receipts.folder)
        if decided.scratch is not None:
            removed.scratch = [name for server in self.servers for name in drop_abandoned(server)]
        second = self.storage.aws.again(trail.attach)
        patience = 0 if removed.refused or catalog.refused else PATIENCE
        proof = Proof(
            second,
            self.servers,
            self.scope,
            decided,
            removed,
            catalog,
            whole_account=self.whole_account,
            patience=patience,
        )
        return CleanupReport(decided, True, removed, catalog, tuple(proof.checks()), tuple(trail.requests))
