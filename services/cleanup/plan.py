"""What a cleanup will remove, what it will leave, and why: a value that touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services import formatting
from services.cleanup import plan as lines
from services.cleanup.glue import CatalogInventory
from services.cleanup.inventory import BucketInventory, Locked, Others, ResourceAmount
from services.cleanup.listing import Area, Scope
from services.cleanup.local_files import LocalFiles
from services.costs.bill import Biller

NOTHING = Decimal(0)


class Action(StrEnum):
    """What is to become of a resource."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class Item:
    """One resource. `count` is what must be removed singly, `bytes` what it holds.

    `monthly` is what it costs a month as it lies, `early_deletion` what removing it now costs: both in dollars.
    """

    resource: str
    action: Action
    detail: str
    count: int = 0
    bytes: int = 0
    monthly: Decimal = NOTHING
    early_deletion: Decimal = NOTHING
    reason: str = ""


def area_item(area: Area, amount: ResourceAmount, biller: Biller, *, goes: bool) -> Item:
    """What lies under one prefix."""
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
    """The backups among it: that they go is what matters most."""
    if not amount.backups:
        return []
    times = sorted(name.taken_at for name in amount.backups)
    span = f"of {formatting.moment(times[-1])}"
    if len(times) > 1:
        span = f"the newest {span}, the oldest of {formatting.moment(times[0])}"
    return [f"{formatting.count(len(times), 'backup')} ({span})"]


def others_item(others: Others) -> Item:
    """What in the bucket is not Shoreline's."""
    detail = f"{formatting.count(others.entries, 'entry', 'entries')}: {_names(others.keys, others.entries)}"
    return Item("not Shoreline's", Action.KEEP, detail, others.entries, reason="outside Shoreline's prefixes")


def bucket_items(bucket: str, stays: str, *, take_settings: bool) -> list[Item]:
    """The bucket; where it stays for the sake of other things, what Shoreline set on it."""
    action = Action.KEEP if stays else Action.REMOVE
    items = [Item(f"bucket {bucket}", action, "with its settings", reason=stays)]
    if take_settings:
        what = "lifecycle rules, policy statements, tag; public access stays blocked, encryption on"
        items.append(Item(f"settings of {bucket}", Action.REMOVE, what))
    return items


def catalog_items(found: CatalogInventory) -> list[Item]:
    """Athena's tables, database and workgroup."""
    items = [
        Item(f"table {found.database}.{table.name}", Action.REMOVE, formatting.count(table.partitions, "partition"))
        for table in found.tables
    ]
    if found.database_exists:
        why = ""
        if found.others:
            why = f"holds tables that are not Shoreline's: {_names(found.others[:5], len(found.others))}"
        elif not found.database_is_ours:
            why = "nothing says that it is Shoreline's"
        items.append(_catalog_item(f"Athena database {found.database}", why))
    if found.workgroup_exists:
        why = "" if found.workgroup_is_ours else "has no tag project=shoreline"
        if found.saved:
            saved = formatting.count(found.saved, "saved query or statement", "saved queries and statements")
            why = f"holds {saved} that Shoreline did not make"
        items.append(_catalog_item(f"Athena workgroup {found.workgroup}", why))
    return items


def _catalog_item(name: str, why_kept: str) -> Item:
    return Item(name, Action.KEEP if why_kept else Action.REMOVE, "in the Glue Data Catalog", reason=why_kept)


def local_item(name: str, found: LocalFiles) -> Item:
    """A local folder."""
    detail = formatting.count(found.files, "file") if found.files else ""
    if found.others:
        names = _names(found.other_names, found.others)
        stay = f"{formatting.count(found.others, 'other file stays', 'other files stay')}: {names}"
        detail = f"{detail}; {stay}" if detail else stay
    return Item(f"{name} {found.folder}/", Action.REMOVE if found.files else Action.KEEP, detail, 0, found.bytes)


def scratch_item(name: str) -> Item:
    """A database that a killed restore or drill left."""
    return Item(f"scratch database {name}", Action.REMOVE, "left by a killed restore")


def blockers(locked: Locked) -> tuple[str, ...]:
    """What S3 will not let go, and why."""
    if not locked.versions:
        return ()
    told = [f"{formatting.count(locked.versions, 'version')} cannot be deleted"]
    if locked.until is not None:
        told.append(f"Object Lock until {formatting.moment(locked.until)}")
    if locked.legal_holds:
        told.append(f"{formatting.count(locked.legal_holds, 'legal hold')}")
    return (f"{'; '.join(told)}: {_names(locked.keys, locked.versions)}",)


def _names(names: Sequence[str], of: int) -> str:
    return ", ".join(names) + (", ..." if of > len(names) else "")


@dataclass(frozen=True)
class Inventory:
    """All that was found. `catalog` is None where there is no Athena, `receipts` and `scratch` (databases of
    killed restores) where they were not asked for.
    """

    bucket: BucketInventory
    output: LocalFiles
    receipts: LocalFiles | None = None
    catalog: CatalogInventory | None = None
    scratch: tuple[str, ...] | None = None


@dataclass(frozen=True)
class EntryCounts:
    """What is removed singly: versions with delete markers, and unfinished uploads."""

    versions: int = 0
    uploads: int = 0


@dataclass(frozen=True)
class CleanupPlan:
    """What becomes of everything. `areas` are emptied, of which `empty_areas` are so already; `unpriced` are storage
    classes without a price. `backups` are the backups that go, by key without suffix; `expected`, how many versions
    (with delete markers) and unfinished uploads each area is to lose, without the lease's own.

    `remove_bucket` says whether the bucket goes; `take_settings`, whether what Shoreline set on it goes, as it stays
    for the sake of other things.
    """

    bucket: str
    account_id: str
    items: tuple[Item, ...]
    blockers: tuple[str, ...]
    unpriced: tuple[str, ...]
    areas: tuple[Area, ...]
    empty_areas: tuple[Area, ...]
    kept_areas: tuple[Area, ...]
    backups: tuple[str, ...]
    expected: dict[str, EntryCounts]
    bucket_exists: bool
    remove_bucket: bool
    take_settings: bool
    output: LocalFiles
    receipts: LocalFiles | None
    catalog: CatalogInventory | None
    scratch: tuple[str, ...] | None

    @property
    def removals(self) -> list[Item]:
        """The lines that go."""
        return [item for item in self.items if item.action is Action.REMOVE]

    @property
    def count(self) -> int:
        """Versions, delete markers and uploads to remove."""
        return sum(item.count for item in self.removals)

    @property
    def bytes(self) -> int:
        """Bytes of all that goes."""
        return sum(item.bytes for item in self.removals)

    @property
    def monthly(self) -> Decimal:
        """Dollars a month that what goes costs now."""
        return sum((item.monthly for item in self.removals), NOTHING)

    @property
    def staying(self) -> Decimal:
        """Dollars a month that what stays of Shoreline's goes on costing."""
        return sum((item.monthly for item in self.items if item.action is Action.KEEP), NOTHING)

    @property
    def early_deletion(self) -> Decimal:
        """Dollars that removing it now costs: the rest of the minimum times of its storage classes."""
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
    """Decides."""
    going = scope.without_backups() if keep_backups else scope
    stays = _why_bucket_stays(found.bucket, keep_backups)
    shared = bool(found.bucket.locked.versions or found.bucket.neighbours)
    take_settings = bool(found.bucket.others.entries) and not keep_backups and not shared
    items: list[Item] = [] if found.catalog is None else lines.catalog_items(found.catalog)
    for area in scope.areas:
        amount = found.bucket.amounts.get(area, ResourceAmount())
        if amount.entries:
            items.append(lines.area_item(area, amount, biller, goes=area in going.areas))
    if found.bucket.others.entries:
        items.append(lines.others_item(found.bucket.others))
    if found.bucket.exists:
        items += lines.bucket_items(bucket, stays, take_settings=take_settings)
    items += [lines.scratch_item(name) for name in found.scratch or ()]
    for name, files in (("local output", found.output), ("local receipts", found.receipts)):
        if files is not None and files.present:
            items.append(lines.local_item(name, files))
    losing = [(area, found.bucket.amounts.get(area, ResourceAmount())) for area in going.areas]
    return CleanupPlan(
        bucket=bucket,
        account_id=account_id,
        items=tuple(items),
        blockers=lines.blockers(found.bucket.locked),
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
        return f"another installation is in it, and needs its settings: {', '.join(sorted(found.neighbours)[:5])}"
    if found.others.entries:
        return "holds things that are not Shoreline's"
    if found.locked.versions:
        return "holds locked versions"
    return ""
