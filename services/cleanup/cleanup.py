"""The cleanup of one bucket and one Athena database, from the inventory to the verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from botocore.exceptions import ClientError

from services.backups.scratch import abandoned, drop_abandoned
from services.cleanup.glue import CatalogInventory, RemovedFromCatalog, look_at_catalog, remove_from_catalog
from services.cleanup.inventory import BucketInventory, Scope, backup_of, look
from services.cleanup.local_files import look_at_output, look_at_receipts, remove_output, remove_receipts
from services.cleanup.plan import CleanupPlan, Inventory, plan
from services.cleanup.removal import Held, Removal, Removed
from services.cleanup.verification import TIME_BUDGET_SECONDS, Check, Verification
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.errors import BucketNotOurs, WrongAccount
from services.postgres.client import Database
from services.s3.bucket import TAG, read_tags
from services.s3.client import Aws, error_code, translate_errors
from services.s3.objects import Storage


@dataclass(frozen=True, slots=True)
class Request:
    """One answered call."""

    service: str
    operation: str
    status: int  # of HTTP
    request_id: str  # AWS's


class RequestLog:
    """The request ids of every call of the clients that it is attached to. Appending to a list is thread-safe."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def attach(self, client: Any) -> None:
        """Log the client's request ids from now on. Attaching it again changes nothing."""
        client.meta.events.register("after-call", self._after_call, unique_id=f"shoreline-request-log-{id(self)}")

    def _after_call(self, parsed: Mapping[str, Any], event_name: str, **_: Any) -> None:
        _event, service, operation = event_name.split(".")
        answer = parsed.get("ResponseMetadata", {})
        self.requests.append(Request(service, operation, answer.get("HTTPStatusCode", 0), answer.get("RequestId", "")))


@dataclass(frozen=True)
class CleanupReport:
    """The plan, and what was removed and verified; `checks` and `requests` are empty if nothing was carried out."""

    plan: CleanupPlan
    carried_out: bool
    removed: Removed
    catalog: RemovedFromCatalog
    checks: tuple[Check, ...]
    requests: tuple[Request, ...]


class CleanupProgress(Protocol):
    """Reports the progress of long work."""

    def task(
        self, label: str, total: int | None = None, unit: Literal["bytes", "items"] = "bytes"
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a task; its function takes the amount that was done since the last call."""
        ...


@dataclass(frozen=True)
class Names:
    """The names of Athena's database and workgroup, and what identifies a table or view as Shoreline's."""

    database: str
    workgroup: str
    locations: tuple[str, ...]  # s3:// addresses; the data of Shoreline's tables are below them
    views: tuple[str, ...] = ()  # names of Shoreline's views


@dataclass(frozen=True)
class Cleanup:
    """The plan, the removal and the verification of one cleanup."""

    storage: Storage
    scope: Scope
    names: Names | None  # None without Athena
    servers: tuple[Database, ...]  # whose scratch databases --scratch drops, once each
    output: Path
    receipts: Path
    expected_account: str | None
    whole_account: bool  # whether to search the account's other buckets for the project's tag
    biller: Biller
    now: datetime
    progress: CleanupProgress

    def plan(self, *, keep_backups: bool = False, receipts: bool = False, scratch: bool = False) -> CleanupPlan:
        """Take the inventory and decide what to remove, without removing anything.

        Raises WrongAccount or BucketNotOurs, and the error of any call that fails: a plan is never partial.
        """
        account = require_account(self.storage.aws, self.expected_account)
        bucket = BucketInventory(exists=require_bucket(self.storage))
        if bucket.exists:
            with self.progress.task("listing", unit="items") as advance:
                bucket = look(self.storage, self.scope, self.now, advance, load_prices().classes)
        going = self.scope.without_backups() if keep_backups else self.scope
        require_alone(self.storage.bucket, self.scope, going, bucket.neighbours)
        inventory = Inventory(
            bucket=bucket,
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

    def planned(self, plan: CleanupPlan) -> CleanupReport:
        """Return the report of a dry run."""
        return CleanupReport(plan, False, Removed(), RemovedFromCatalog(), checks=(), requests=())

    def backups(self) -> tuple[str, ...]:
        """Return the present backups, by key without suffix, to check the plan against."""
        stems = [
            name.stem
            for area in self.scope.areas
            if area.holds_backups
            for item in self.storage.objects(area.prefix)
            for name in backup_of(item.key, area)
        ]
        return tuple(sorted(stems))

    def carry_out(self, plan: CleanupPlan, lease: Held | None, removed: Removed | None = None) -> CleanupReport:
        """Remove what the plan names, and verify it through separate clients.

        `lease` is None if the bucket does not exist. `removed` is updated on the way, for a caller that is interrupted.
        """
        removed = removed if removed is not None else Removed()
        log = RequestLog()
        worker = Storage(self.storage.aws.again(log.attach), self.storage.bucket)
        catalog = RemovedFromCatalog()
        if plan.catalog is not None:
            catalog = remove_from_catalog(worker.aws, plan.catalog)
        if lease is not None:
            with self.progress.task("removing", plan.count, "items") as advance:
                Removal(worker, self.scope, plan, lease, advance, removed).run()
        removed.files[str(plan.output.folder)] = remove_output(plan.output.folder)
        if plan.receipts is not None:
            removed.files[str(plan.receipts.folder)] = remove_receipts(plan.receipts.folder)
        if plan.scratch is not None:
            removed.scratch = [name for server in self.servers for name in drop_abandoned(server)]
        second = self.storage.aws.again(log.attach)
        time_budget = 0 if removed.refused or catalog.refused else TIME_BUDGET_SECONDS
        verification = Verification(
            second,
            self.servers,
            self.scope,
            plan,
            removed,
            catalog,
            whole_account=self.whole_account,
            time_budget=time_budget,
        )
        return CleanupReport(plan, True, removed, catalog, tuple(verification.checks()), tuple(log.requests))


def require_account(aws: Aws, expected: str | None) -> str:
    """Return the account that STS names. Raises WrongAccount if it is not the expected one."""
    account = aws.account_id
    if expected is not None and account != expected:
        raise WrongAccount(f"These credentials belong to account {account}, AWS_EXPECTED_ACCOUNT_ID is {expected}.")
    return account


def require_alone(bucket: str, scope: Scope, going: Scope, neighbours: Mapping[str, str]) -> None:
    """Raise BucketNotOurs if another installation is below a prefix in `going`, which is removed as a whole.

    `neighbours` are the prefixes of other installations, with the key that identifies them.
    """
    for home, key in sorted(neighbours.items()):
        if (area := scope.area_of(key)) and area in going.areas:
            raise BucketNotOurs(
                f"Another installation of Shoreline is below {area.prefix}, at s3://{bucket}/{home}/: it has {key}."
                " Cleanup would delete it too. Nothing was touched.",
                next_step="To remove it, run its own cleanup first, or delete that object if nothing uses it any more."
                " To keep it, delete the rest of this prefix by hand.",
            )


def require_bucket(storage: Storage) -> bool:
    """Return whether the bucket exists. Raises BucketNotOurs unless it belongs to the account and carries our tag.

    A tag call that fails for any other reason than missing tags stops everything.
    """
    if not storage.exists():
        return False
    with translate_errors():
        try:
            tags = read_tags(storage)
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                return False
            raise
    if TAG not in tags:
        raise BucketNotOurs(
            f"The bucket {storage.bucket} has no tag project=shoreline: nothing in it was touched.",
            next_step="Check BUCKET. If the bucket is Shoreline's, tag it with project=shoreline yourself.",
        )
    return True
