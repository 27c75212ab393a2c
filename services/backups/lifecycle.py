"""The bucket's lifecycle rules: a second layer below retention, for when the job itself has died. A pure plan.

S3 applies a rule by age alone. It cannot keep a minimum, or the last good backup: so its expiry comes long after the
job's own, and a job that stays dead for longer than that loses its backups all the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from math import ceil
from typing import Any

from services.backups.retention import Retention
from services.costs.prices import PriceList

_OURS = "shoreline-"
_GRACE_DAYS = 60  # between the job's own removal and S3's: time to notice that the job is dead
_ABORT_DAYS = 3  # the next backup aborts them at once; this is for when there is none
_NONCURRENT_DAYS = 7
_GB = 1_000_000_000
_MONTH_DAYS = Decimal(30)
_CLASSES = ("GLACIER_IR", "STANDARD_IA")  # those that a restore reads at once

Rule = dict[str, Any]


@dataclass(frozen=True)
class Transition:
    """A move into a cheaper class that pays: from an age on, for objects larger than where it begins to pay."""

    storage_class: str
    days: int
    larger_than: int


def horizon(policy: Retention) -> int:
    """Days after which the job itself keeps no backup any more, but for the newest proved one.

    As long as backups come: one a month and a minimum of three keep the oldest for three months, whatever the days say.
    """
    counted = ((policy.minimum, 0), (policy.daily, 1), (policy.weekly, 7), (policy.monthly, 31))
    hours = max(number * max(24 * period, policy.apart_hours) for number, period in counted)
    return max(policy.days, ceil(hours / 24))


def rules(prefix: str, policy: Retention, transition: Transition | None = None) -> list[Rule]:
    """Shoreline's own rules, in S3's form."""
    managed: list[Rule] = [
        {
            "ID": f"{_OURS}backups-expire",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{prefix}/"},
            "Expiration": {"Days": horizon(policy) + _GRACE_DAYS},
            "NoncurrentVersionExpiration": {"NoncurrentDays": _NONCURRENT_DAYS},
        },
        {
            "ID": f"{_OURS}delete-markers",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{prefix}/"},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
        {
            "ID": f"{_OURS}uploads-abort",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _ABORT_DAYS},
        },
    ]
    if transition is not None:
        managed.append(
            {
                "ID": f"{_OURS}backups-transition",
                "Status": "Enabled",
                "Filter": {"And": {"Prefix": f"{prefix}/", "ObjectSizeGreaterThan": transition.larger_than}},
                "Transitions": [{"Days": transition.days, "StorageClass": transition.storage_class}],
            }
        )
    return managed


def transition(policy: Retention, prices: PriceList, region: str) -> Transition | None:
    """The move that saves most on what is kept beyond `policy.days`, or None when none pays.

    It pays when the cheaper months, one restore from there and the move itself cost less than staying, and what is
    kept stays for the class's minimum. S3 moves nothing into Standard-IA that is younger than 30 days.
    """
    rest = Decimal(horizon(policy) - max(policy.days, 30))
    best: tuple[Decimal, Transition] | None = None
    for name in _CLASSES:
        needed = ("s3.storage", "s3.transition", "s3.retrieval")
        if not all(prices.has(f"{usage}.{name}", region) for usage in needed):
            continue
        kind = prices.storage_class(name)
        cheaper = prices.price("s3.storage.STANDARD", region).each - prices.price(f"s3.storage.{name}", region).each
        saved = cheaper * rest / _MONTH_DAYS - prices.price(f"s3.retrieval.{name}", region).each
        if rest < kind.minimum_days or saved <= 0:
            continue
        move = prices.price(f"s3.transition.{name}", region).each
        size = int((move / saved * _GB).to_integral_value(ROUND_UP))
        found = Transition(name, max(policy.days, 30), max(size, kind.minimum_bytes))
        if best is None or saved > best[0]:
            best = (saved, found)
    return best[1] if best else None


def merged(existing: Sequence[Rule], ours: Sequence[Rule]) -> list[Rule]:
    """What the bucket should have: everybody else's rules as they are, and ours as they should be."""
    return [rule for rule in existing if not is_ours(rule)] + list(ours)


def drift(existing: Sequence[Rule], ours: Sequence[Rule]) -> list[str]:
    """How the bucket's rules differ from ours, a sentence for each; others' rules do not count."""
    found = {str(rule["ID"]): _canonical(rule) for rule in existing if is_ours(rule)}
    wanted = {str(rule["ID"]): _canonical(rule) for rule in ours}
    told = [f"{name} is missing" for name in wanted if name not in found]
    told += [f"{name} was changed" for name, rule in wanted.items() if name in found and found[name] != rule]
    return told + [f"{name} should not be there" for name in found if name not in wanted]


def is_ours(rule: Mapping[str, Any]) -> bool:
    """Whether a lifecycle rule is Shoreline's, by the beginning of its name."""
    return str(rule.get("ID", "")).startswith(_OURS)


def _canonical(rule: Mapping[str, Any]) -> str:
    return json.dumps(rule, sort_keys=True, default=str)
