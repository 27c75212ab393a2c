"""What a cleanup will remove, what it will leave, and why: a value that touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.cleanup import items as lines
from services.cleanup.catalog import CatalogInventory
from services.cleanup.inventory import Amount, BucketInventory
from services.cleanup.items import NOTHING, Action, Item
from services.cleanup.output import LocalFiles
from services.cleanup.scope import Area, Scope
from services.costs.bill import Biller


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
class Entries:
    """What is removed singly: versions with delete markers, and unfinished uploads."""

    versions: int = 0
    uploads: int = 0


@dataclass(frozen=True)
class Plan:
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
    expected: dict[str, Entries]
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
) -> Plan:
    """Decides."""
    going = scope.without_backups() if keep_backups else scope
    stays = _why_bucket_stays(found.bucket, keep_backups)
    shared = bool(found.bucket.locked.versions or found.bucket.neighbours)
    take_settings = bool(found.bucket.others.entries) and not keep_backups and not shared
    items: list[Item] = [] if found.catalog is None else lines.catalog_items(found.catalog)
    for area in scope.areas:
        amount = found.bucket.amounts.get(area, Amount())
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
    losing = [(area, found.bucket.amounts.get(area, Amount())) for area in going.areas]
    return Plan(
        bucket=bucket,
        account_id=account_id,
        items=tuple(items),
        blockers=lines.blockers(found.bucket.locked),
        unpriced=tuple(sorted({name for each in found.bucket.amounts.values() for name in each.standing.unpriced})),
        areas=going.areas,
        empty_areas=tuple(area for area in going.areas if not found.bucket.amounts.get(area, Amount()).entries),
        kept_areas=tuple(area for area in scope.areas if area not in going.areas),
        backups=tuple(sorted(name.stem for _, amount in losing for name in amount.backups)),
        expected={
            area.prefix: Entries(amount.versions + amount.markers - amount.lease, amount.uploads)
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
