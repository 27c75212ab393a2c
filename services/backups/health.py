"""Whether the backups are in order: a judgement of what the catalog says. It touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services import formatting
from services.backups.catalog import BackupListing, ListedBackup
from services.backups.manifest import ServerKind
from services.backups.naming import MANIFEST
from services.backups.retention import Candidate, Retention, plan
from services.backups.shrinkage import Shrinkage


@dataclass(frozen=True)
class DatabaseStatus:
    """One database. Times in UTC. `next_expiry_at` is when retention removes a backup, if no new one comes."""

    database: str
    backups: int
    bytes: int
    newest_at: datetime | None
    newest_age_seconds: float | None
    drilled_at: datetime | None
    drilled_age_seconds: float | None
    drill_ok: bool | None
    restore_seconds: float | None
    restore_server_version: str | None
    restore_server_kind: ServerKind | None
    next_expiry_at: datetime | None
    newest: Shrinkage | None = None  # the newest backup's key and sizes
    shrank: Shrinkage | None = None  # what the database shrank from, while nobody accepted that


@dataclass(frozen=True)
class Status:
    """All databases, who is writing now, and a sentence for whatever is not as it should be.

    `unproved` are the databases that should have backups and of whose backups no drill was ever run: no problem, as
    not every server may make a copy, and not in order either. `connection` says how the way to PostgreSQL is encrypted.
    """

    databases: tuple[DatabaseStatus, ...]
    problems: tuple[str, ...]
    unproved: tuple[str, ...]
    writer: str | None
    connection: str = ""


def judge(
    contents: BackupListing,
    databases: Sequence[str],
    policy: Retention,
    max_age: timedelta,
    now: datetime,
    *,
    writer: str | None = None,
) -> Status:
    """Judges the backups of the databases that should have some, and of those that have."""
    names = [*databases, *sorted({each.summary.database for each in contents.backups} - set(databases))]
    found = tuple(_status(name, contents.of(name), policy, now) for name in names)
    problems = [problem for each in found for problem in _problems(each, databases, max_age)]
    problems += [
        f"{each.name.stem} is damaged: {each.problem}; once you have looked at it, delete its {MANIFEST.lstrip('.')}:"
        " the next backup removes the rest"
        for each in contents.damaged
    ]
    unproved = tuple(each.database for each in found if each.database in databases and each.drilled_at is None)
    return Status(found, tuple(problems), unproved, writer)


def _status(name: str, backups: Sequence[ListedBackup], policy: Retention, now: datetime) -> DatabaseStatus:
    newest = backups[0] if backups else None
    drills = [each.drill for each in backups if each.drill is not None]
    last = max(drills, key=lambda drill: drill.drilled_at, default=None)
    return DatabaseStatus(
        database=name,
        backups=len(backups),
        bytes=sum(each.stored_bytes for each in backups),
        newest_at=newest.taken_at if newest else None,
        newest_age_seconds=(now - newest.taken_at).total_seconds() if newest else None,
        drilled_at=last.drilled_at if last else None,
        drilled_age_seconds=(now - last.drilled_at).total_seconds() if last else None,
        drill_ok=last.ok if last else None,
        restore_seconds=last.restore_seconds if last and last.ok else None,
        restore_server_version=last.server_version if last and last.ok else None,
        restore_server_kind=last.server_kind if last and last.ok else None,
        next_expiry_at=_next_expiry(backups, policy, now),
        newest=newest.size if newest else None,
        shrank=newest.shrank if newest else None,
    )


def _next_expiry(backups: Sequence[ListedBackup], policy: Retention, now: datetime) -> datetime | None:
    """When a backup is removed next, as the plan has it at the moments when one becomes old enough."""
    candidates = [candidate(each) for each in backups]
    age = timedelta(days=policy.days)
    young = [min(max(each.taken_at, each.stored_at), now) for each in backups]  # a name may be of any year
    for at in sorted(begun + age for begun in young):
        later = max(at, now) + timedelta(seconds=1)
        if not all(decision.keep for decision in plan(candidates, policy, later)):
            return max(at, now)
    return None


def _problems(each: DatabaseStatus, expected: Sequence[str], max_age: timedelta) -> Iterator[str]:
    if each.newest_age_seconds is None:
        yield f"{each.database} has no backup"
    elif each.database in expected and each.newest_age_seconds > max_age.total_seconds():
        age = formatting.age(timedelta(seconds=each.newest_age_seconds))
        yield f"{each.database}: the newest backup is {age} old, more than {formatting.age(max_age)}"
    if each.drill_ok is False:
        yield f"{each.database}: the last drill failed"
    if each.shrank is not None and each.newest is not None:
        yield f"{each.database}: the newest backup holds {contrast(each.newest, each.shrank)}"


def contrast(now: Shrinkage, before: Shrinkage) -> str:
    """Return the sizes of a backup beside those of the last one before the database shrank, in words."""
    then = f"the one of {formatting.moment(before.taken_at)} held {_content(before)}"
    return f"{_content(now)}; {then}"


def _content(size: Shrinkage) -> str:
    return f"{formatting.count(size.rows, 'row')} ({formatting.size(size.plain_bytes)} as SQL)"


def candidate(backup: ListedBackup) -> Candidate:
    """What retention needs to know of a backup."""
    proved = backup.drill is not None and backup.drill.ok
    shrank_from = backup.shrank.key if backup.shrank else None
    return Candidate(backup.name.stem, backup.taken_at, backup.stored_at, proved, backup.summary.database, shrank_from)
