"""The lines of a plan: each resource, what is to become of it, what it holds, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services import human
from services.cleanup.catalog import CatalogInventory
from services.cleanup.inventory import Amount, Locked, Others
from services.cleanup.output import LocalFiles
from services.cleanup.scope import Area
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


def area_item(area: Area, amount: Amount, biller: Biller, *, goes: bool) -> Item:
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
        detail=", ".join([*_backups(amount), *(human.count(number, thing) for number, thing in counted if number)]),
        count=amount.entries,
        bytes=amount.bytes + amount.upload_bytes,
        monthly=amount.standing.monthly(biller),
        early_deletion=amount.standing.early_deletion(biller),
        reason="" if goes else "--keep-backups",
    )


def _backups(amount: Amount) -> list[str]:
    """The backups among it: that they go is what matters most."""
    if not amount.backups:
        return []
    times = sorted(name.taken_at for name in amount.backups)
    span = f"of {human.moment(times[-1])}"
    if len(times) > 1:
        span = f"the newest {span}, the oldest of {human.moment(times[0])}"
    return [f"{human.count(len(times), 'backup')} ({span})"]


def others_item(others: Others) -> Item:
    """What in the bucket is not Shoreline's."""
    detail = f"{human.count(others.entries, 'entry', 'entries')}: {_names(others.keys, others.entries)}"
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
        Item(f"table {found.database}.{table.name}", Action.REMOVE, human.count(table.partitions, "partition"))
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
            saved = human.count(found.saved, "saved query or statement", "saved queries and statements")
            why = f"holds {saved} that Shoreline did not make"
        items.append(_catalog_item(f"Athena workgroup {found.workgroup}", why))
    return items


def _catalog_item(name: str, why_kept: str) -> Item:
    return Item(name, Action.KEEP if why_kept else Action.REMOVE, "in the Glue Data Catalog", reason=why_kept)


def local_item(name: str, found: LocalFiles) -> Item:
    """A local folder."""
    detail = human.count(found.files, "file") if found.files else ""
    if found.others:
        names = _names(found.other_names, found.others)
        stay = f"{human.count(found.others, 'other file stays', 'other files stay')}: {names}"
        detail = f"{detail}; {stay}" if detail else stay
    return Item(f"{name} {found.folder}/", Action.REMOVE if found.files else Action.KEEP, detail, 0, found.bytes)


def scratch_item(name: str) -> Item:
    """A database that a killed restore or drill left."""
    return Item(f"scratch database {name}", Action.REMOVE, "left by a killed restore")


def blockers(locked: Locked) -> tuple[str, ...]:
    """What S3 will not let go, and why."""
    if not locked.versions:
        return ()
    told = [f"{human.count(locked.versions, 'version')} cannot be deleted"]
    if locked.until is not None:
        told.append(f"Object Lock until {human.moment(locked.until)}")
    if locked.legal_holds:
        told.append(f"{human.count(locked.legal_holds, 'legal hold')}")
    return (f"{'; '.join(told)}: {_names(locked.keys, locked.versions)}",)


def _names(names: Sequence[str], of: int) -> str:
    return ", ".join(names) + (", ..." if of > len(names) else "")
