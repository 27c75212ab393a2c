"""The plan of a cleanup: what it will remove, what it will keep, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services import formatting
from services.cleanup.glue import CatalogInventory
from services.cleanup.inventory import Area, BucketInventory, Locked, Others, ResourceAmount, Scope
from services.cleanup.local_files import LocalFiles
from services.costs.bill import Biller

NOTHING = Decimal(0)


class Action(StrEnum):
    """What happens to a resource."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class Item:
    """One resource of the plan."""

    resource: str
    action: Action
    detail: str
    count: int = 0  # of what is removed singly
    bytes: int = 0
    monthly: Decimal = NOTHING  # dollars a month for keeping it
    early_deletion: Decimal = NOTHING  # dollars for removing it before the minimum time of its storage class
    reason: str = ""


def area_item(area: Area, amount: ResourceAmount, biller: Biller, *, goes: bool) -> Item:
    """Return the item of everything below one prefix."""
    counted = (
        (amount.objects, "object"),
        (amount.versions - amount.objects, "older version"),
        (amount.markers, "delete marker"),
        (amount.uploads, "unfinished upload"),
    )
    return Item(
        resource=f"{area.name} {area.prefix}",
        action=Action.REMOVE if goes else Action.KEEP,
        detail=", ".join(
            [*_backups(amount), *(formatting.count(number, thing) for number, thing in counted if number)]
        ),
        count=amount.entries,
        bytes=amount.bytes + amount.upload_bytes,
        monthly=amount.standing.monthly(biller),
        early_deletion=amount.standing.early_deletion(biller),
        reason="" if goes else "--keep-backups",
    )


def _backups(amount: ResourceAmount) -> list[str]:
    """Describe the backups, which come first: their loss matters most."""
    if not amount.backups:
        return []
    times = sorted(name.taken_at for name in amount.backups)
    span = f"of {formatting.moment(times[-1])}"
    if len(times) > 1:
        span = f"the newest {span}, the oldest of {formatting.moment(times[0])}"
    return [f"{formatting.count(len(times), 'backup')} ({span})"]


def others_item(others: Others) -> Item:
    """Return the item of the objects that are not Shoreline's."""
    detail = f"{formatting.count(others.entries, 'entry', 'entries')}: {_names(others.keys, others.entries)}"
    return Item("not Shoreline's", Action.KEEP, detail, others.entries, reason="outside Shoreline's prefixes")


def bucket_items(bucket: str, stays: str, *, take_settings: bool) -> list[Item]:
    """Return the item of the bucket, and of Shoreline's settings where the bucket is kept for other objects."""
    action = Action.KEEP if stays else Action.REMOVE
    items = [Item(f"bucket {bucket}", action, "with its settings", reason=stays)]
    if take_settings:
        what = "lifecycle rules, policy statements, tag; public access stays blocked, encryption stays on"
        items.append(Item(f"settings of {bucket}", Action.REMOVE, what))
    return items


def catalog_items(found: CatalogInventory) -> list[Item]:
    """Return the items of Athena's tables, database and workgroup."""
    items = [
        Item(f"table {found.database}.{table.name}", Action.REMOVE, formatting.count(table.partitions, "partition"))
        for table in found.tables
    ]
    if found.database_exists:
        why = ""
        if found.others:
            why = f"holds tables that are not Shoreline's: {_names(found.others[:5], len(found.others))}"
        elif not found.database_is_ours:
            why = "has no property project=shoreline"
        items.append(_catalog_item(f"Athena database {found.database}", why))
    if found.workgroup_exists:
        why = "" if found.workgroup_is_ours else "has no tag project=shoreline"
        if found.saved:
            saved = formatting.count(found.saved, "saved query or statement", "saved queries and statements")
            why = f"holds {saved} of other users"
        items.append(_catalog_item(f"Athena workgroup {found.workgroup}", why))
    return items


def _catalog_item(name: str, why_kept: str) -> Item:
    return Item(name, Action.KEEP if why_kept else Action.REMOVE, "in the Glue Data Catalog", reason=why_kept)


def local_item(name: str, found: LocalFiles) -> Item:
    """Return the item of a local folder."""
    detail = formatting.count(found.files, "file") if found.files else ""
    if found.others:
        names = _names(found.other_names, found.others)
        stay = f"{formatting.count(found.others, 'other file stays', 'other files stay')}: {names}"
        detail = f"{detail}; {stay}" if detail else stay
    return Item(f"{name} {found.folder}/", Action.REMOVE if found.files else Action.KEEP, detail, 0, found.bytes)


def scratch_item(name: str) -> Item:
    """Return the item of a scratch database."""
    return Item(f"scratch database {name}", Action.REMOVE, "left by a killed restore")


def blockers(locked: Locked) -> tuple[str, ...]:
    """Describe what S3 refuses to delete, and why."""
    if not locked.versions:
        return ()
    parts = [f"{formatting.count(locked.versions, 'version')} cannot be deleted"]
    if locked.until is not None:
        parts.append(f"Object Lock until {formatting.moment(locked.until)}")
    if locked.legal_holds:
        parts.append(f"{formatting.count(locked.legal_holds, 'legal hold')}")
    return (f"{'; '.join(parts)}: {_names(locked.keys, locked.versions)}",)


def _names(names: Sequence[str], of: int) -> str:
    return ", ".join(names) + (", ..." if of > len(names) else "")


@dataclass(frozen=True)
class Inventory:
    """Everything that exists."""

    bucket: BucketInventory
    output: LocalFiles
    receipts: LocalFiles | None = None  # None without --receipts
    catalog: CatalogInventory | None = None  # None without Athena
    scratch: tuple[str, ...] | None = None  # databases left by killed restores; None without --scratch


@dataclass(frozen=True)
class EntryCounts:
    """Counts of what is removed singly."""

    versions: int = 0  # with delete markers
    uploads: int = 0  # unfinished


@dataclass(frozen=True)
class CleanupPlan:
    """What happens to every resource."""

    bucket: str
    account_id: str
    items: tuple[Item, ...]
    blockers: tuple[str, ...]
    unpriced: tuple[str, ...]  # storage classes without a known price
    areas: tuple[Area, ...]  # to be emptied
    empty_areas: tuple[Area, ...]  # of these, already empty
    kept_areas: tuple[Area, ...]
    backups: tuple[str, ...]  # to be removed, by key without suffix
    expected: dict[str, EntryCounts]  # to be removed from each area, by prefix, without the lease's own versions
    bucket_exists: bool
    remove_bucket: bool
    take_settings: bool  # whether to remove Shoreline's settings from a bucket that is kept for other objects
    output: LocalFiles
    receipts: LocalFiles | None
    catalog: CatalogInventory | None
    scratch: tuple[str, ...] | None

    @property
    def removals(self) -> list[Item]:
        """The items that are removed."""
        return [item for item in self.items if item.action is Action.REMOVE]

    @property
    def count(self) -> int:
        """The number of versions, delete markers and uploads to remove."""
        return sum(item.count for item in self.removals)

    @property
    def bytes(self) -> int:
        """The bytes to remove."""
        return sum(item.bytes for item in self.removals)

    @property
    def monthly(self) -> Decimal:
        """Dollars a month that the removed items cost now."""
        return sum((item.monthly for item in self.removals), NOTHING)

    @property
    def staying(self) -> Decimal:
        """Dollars a month that the kept items still cost."""
        return sum((item.monthly for item in self.items if item.action is Action.KEEP), NOTHING)

    @property
    def early_deletion(self) -> Decimal:
        """Dollars for deletion before the minimum times of the storage classes."""
        return sum((item.early_deletion for item in self.removals), NOTHING)


def plan(
    bucket: str,
    account_id: str,
    scope: Scope,
    found: Inventory,
    biller: Biller,
    *,
    keep_backups: bool = False,
) -> CleanupPlan:
    """Decide what to remove and what to keep."""
    going = scope.without_backups() if keep_backups else scope
    stays = _why_bucket_stays(found.bucket, keep_backups)
    shared = bool(found.bucket.locked.versions or found.bucket.neighbours)
    take_settings = bool(found.bucket.others.entries) and not keep_backups and not shared
    items: list[Item] = [] if found.catalog is None else catalog_items(found.catalog)
    for area in scope.areas:
        amount = found.bucket.amounts.get(area, ResourceAmount())
        if amount.entries:
            items.append(area_item(area, amount, biller, goes=area in going.areas))
    if found.bucket.others.entries:
        items.append(others_item(found.bucket.others))
    if found.bucket.exists:
        items += bucket_items(bucket, stays, take_settings=take_settings)
    items += [scratch_item(name) for name in found.scratch or ()]
    for name, files in (("local output", found.output), ("local receipts", found.receipts)):
        if files is not None and files.present:
            items.append(local_item(name, files))
    losing = [(area, found.bucket.amounts.get(area, ResourceAmount())) for area in going.areas]
    return CleanupPlan(
        bucket=bucket,
        account_id=account_id,
        items=tuple(items),
        blockers=blockers(found.bucket.locked),
        unpriced=tuple(sorted({name for each in found.bucket.amounts.values() for name in each.standing.unpriced})),
        areas=going.areas,
        empty_areas=tuple(area for area in going.areas if not found.bucket.amounts.get(area, ResourceAmount()).entries),
        kept_areas=tuple(area for area in scope.areas if area not in going.areas),
        backups=tuple(sorted(name.stem for _, amount in losing for name in amount.backups)),
        expected={
            area.prefix: EntryCounts(amount.versions + amount.markers - amount.lease, amount.uploads)
            for area, amount in losing
        },
        bucket_exists=found.bucket.exists,
        remove_bucket=found.bucket.exists and not stays,
        take_settings=take_settings,
        output=found.output,
        receipts=found.receipts,
        catalog=found.catalog,
        scratch=found.scratch,
    )


def _why_bucket_stays(found: BucketInventory, keep_backups: bool) -> str:
    if keep_backups:
        return "--keep-backups"
    if found.neighbours:
        return f"another installation uses it: {', '.join(sorted(found.neighbours)[:5])}"
    if found.others.entries:
        return "holds objects that are not Shoreline's"
    if found.locked.versions:
        return "holds locked versions"
    return ""
