"""What a cleanup will remove, what it will leave, and why: a value that touches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services import human
from services.cleanup.inventory import Amount, BucketInventory, Locked, Others
from services.cleanup.output import LocalFiles
from services.cleanup.scope import Area, Scope


class Action(StrEnum):
    """What is to become of a resource."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class Item:
    """One resource and what is to become of it. `bytes` is what it holds, `count` what must be removed singly."""

    resource: str
    action: Action
    detail: str
    count: int = 0
    bytes: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """All of it. `areas` are emptied; `remove_bucket` says whether the bucket goes too."""

    bucket: str
    account_id: str
    items: tuple[Item, ...]
    blockers: tuple[str, ...]
    areas: tuple[Area, ...]
    kept_areas: tuple[Area, ...]
    bucket_exists: bool
    remove_bucket: bool
    output: LocalFiles
    receipts: LocalFiles | None

    @property
    def nothing_to_do(self) -> bool:
        """Whether there is nothing to remove."""
        return not any(item.action is Action.REMOVE for item in self.items)

    @property
    def count(self) -> int:
        """Versions, delete markers and uploads to remove."""
        return sum(item.count for item in self.items if item.action is Action.REMOVE)


def plan(
    bucket: str,
    account_id: str,
    scope: Scope,
    found: BucketInventory,
    output: LocalFiles,
    receipts: LocalFiles | None = None,
    *,
    keep_backups: bool = False,
) -> Plan:
    """Decides. `receipts` is None unless they were asked to go."""
    going = scope.without_backups() if keep_backups else scope
    kept = tuple(area for area in scope.areas if area not in going.areas)
    items = [_area_item(area, found.amounts.get(area, Amount()), area in going.areas) for area in scope.areas]
    stays = _why_bucket_stays(found, keep_backups)
    if found.exists:
        if found.others.entries:
            items.append(_others_item(found.others))
        items.append(_bucket_item(bucket, stays))
    items.append(_local_item("local output", output))
    if receipts is not None:
        items.append(_local_item("local receipts", receipts))
    return Plan(
        bucket=bucket,
        account_id=account_id,
        items=tuple(item for item in items if item.count or item.bytes or item.detail),
        blockers=_blockers(found.locked),
        areas=going.areas,
        kept_areas=kept,
        bucket_exists=found.exists,
        remove_bucket=found.exists and not stays,
        output=output,
        receipts=receipts,
    )


def _area_item(area: Area, amount: Amount, goes: bool) -> Item:
    counted = (
        (amount.objects, "object"),
        (amount.versions - amount.objects, "older version"),
        (amount.markers, "delete marker"),
        (amount.uploads, "unfinished upload"),
    )
    detail = ", ".join(human.count(number, thing) for number, thing in counted if number)
    action = Action.REMOVE if goes else Action.KEEP
    reason = "" if goes else "--keep-backups"
    size = amount.bytes + amount.upload_bytes
    return Item(f"{area.name} {area.prefix}", action, detail, amount.entries, size, reason)


def _others_item(others: Others) -> Item:
    names = ", ".join(others.keys) + (", ..." if others.entries > len(others.keys) else "")
    detail = f"{human.count(others.entries, 'entry', 'entries')}: {names}"
    return Item("not Shoreline's", Action.KEEP, detail, others.entries, reason="lies outside Shoreline's prefixes")


def _bucket_item(bucket: str, stays: str) -> Item:
    action = Action.KEEP if stays else Action.REMOVE
    return Item(f"bucket {bucket}", action, "with its settings", reason=stays)


def _why_bucket_stays(found: BucketInventory, keep_backups: bool) -> str:
    if keep_backups:
        return "--keep-backups"
    if found.others.entries:
        return "holds things that are not Shoreline's"
    if found.locked.versions:
        return "holds locked versions"
    return ""


def _local_item(name: str, found: LocalFiles) -> Item:
    detail = human.count(found.files, "file") if found.files else ""
    if found.others:
        names = ", ".join(found.other_names) + (", ..." if found.others > len(found.other_names) else "")
        stay = f"{human.count(found.others, 'other file stays', 'other files stay')}: {names}"
        detail = f"{detail}; {stay}" if detail else stay
    action = Action.REMOVE if found.files else Action.KEEP
    return Item(f"{name} {found.folder}", action, detail, 0, found.bytes)


def _blockers(locked: Locked) -> tuple[str, ...]:
    if not locked.versions:
        return ()
    told = [f"{human.count(locked.versions, 'version')} cannot be deleted"]
    if locked.until is not None:
        told.append(f"Object Lock until {human.moment(locked.until)}")
    if locked.legal_holds:
        told.append(f"{human.count(locked.legal_holds, 'legal hold')}")
    return (f"{'; '.join(told)}: {_names(locked.keys)}",)


def _names(keys: Sequence[str]) -> str:
    return ", ".join(keys)
