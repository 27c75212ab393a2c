"""Which backups are kept and which go, each with its reason. A pure plan: it touches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services import formatting


@dataclass(frozen=True)
class Retention:
    """How long backups are kept: by age, at least so many, and grandfather-father-son.

    `daily`, `weekly`, `monthly` keep the newest backup of so many of the latest days, ISO weeks and months (UTC) that
    have one. `apart_hours` is how far apart backups are at most, as long as they are in order: what is counted and not
    aged gets as old as that allows.
    """

    days: int = 30
    minimum: int = 3
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    apart_hours: int = 24


@dataclass(frozen=True)
class Candidate:
    """A complete backup of the database in question. Times in UTC: in its name, and by the store's clock."""

    key: str
    taken_at: datetime
    stored_at: datetime
    proved: bool = False
    database: str = ""
    shrank_from: str | None = None  # the key of the last backup before the database shrank, while nobody accepted that


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and why."""

    key: str
    keep: bool
    reason: str
    database: str = ""


def plan(candidates: Sequence[Candidate], policy: Retention, now: datetime) -> list[Decision]:
    """A decision for each backup, newest first.

    The newest is always kept, so is the newest that a drill has proved, and the last before the database shrank, as
    long as nobody accepted that; and whatever any rule keeps. `now` is by the
    store's clock. A backup whose name and store disagree about its age has the younger of the two.
    """
    newest_first = sorted(candidates, key=lambda each: (each.taken_at, each.key), reverse=True)
    reasons = dict(_periods(newest_first, policy))
    proved = next((each.key for each in newest_first if each.proved), None)
    if newest_first and (before := newest_first[0].shrank_from):
        reasons[before] = "the last before the database shrank"
    decisions = []
    for rank, each in enumerate(newest_first):
        age = now - max(each.taken_at, each.stored_at)
        reason = _why_kept(each, rank, age, policy, proved) or reasons.get(each.key)
        if reason:
            decisions.append(Decision(each.key, True, reason, each.database))
        else:
            reason = f"older than {formatting.count(policy.days, 'day')}"
            decisions.append(Decision(each.key, False, reason, each.database))
    return decisions


def _why_kept(each: Candidate, rank: int, age: timedelta, policy: Retention, proved: str | None) -> str | None:
    if rank == 0:
        return "the newest"
    if age <= timedelta(days=policy.days):
        return f"within {formatting.count(policy.days, 'day')}"
    if rank < policy.minimum:
        return f"one of the newest {policy.minimum}"
    if each.key == proved:
        return "the newest that a drill proved"
    return None


def _periods(newest_first: Sequence[Candidate], policy: Retention) -> Iterator[tuple[str, str]]:
    """What grandfather-father-son keeps; the longest period's reason comes last and counts."""
    rules: tuple[tuple[str, int, Callable[[datetime], tuple[int, ...]]], ...] = (
        ("day", policy.daily, lambda at: (at.year, at.month, at.day)),
        ("week", policy.weekly, lambda at: at.isocalendar()[:2]),
        ("month", policy.monthly, lambda at: (at.year, at.month)),
    )
    for unit, wanted, period_of in rules:
        seen: set[tuple[int, ...]] = set()
        for each in newest_first:
            period = period_of(each.taken_at)
            if period not in seen and len(seen) < wanted:
                seen.add(period)
                yield each.key, f"the newest of its {unit}"
