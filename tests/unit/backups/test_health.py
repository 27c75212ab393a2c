"""The status says what is stale, damaged or unproved, and when retention removes something next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.backups.catalog import Backup, BackupListing, Damaged
from services.backups.health import Status, judge
from services.backups.manifest import DrillRecord
from services.backups.naming import Naming
from services.backups.retention import Retention
from tests.unit.backups.test_values import MANIFEST

NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)
DAY = timedelta(hours=26)
POLICY = Retention(days=30, minimum=1)


def made(days_ago: float, *, ok: bool | None = None, database: str = "app") -> Backup:
    at = NOW - timedelta(days=days_ago)
    drill = None if ok is None else DrillRecord(at, ok, 2.5, 1.0, "18.4", 1, 1)
    return Backup.of(Naming("p").name(database, at), replace(MANIFEST, database=database), at, (), drill)


def status(*backups: Backup, damaged: tuple[Damaged, ...] = ()) -> Status:
    return judge(BackupListing(backups, damaged, ()), ["app"], POLICY, DAY, NOW)


def test_a_recent_backup_is_in_order_and_an_old_one_is_stale() -> None:
    assert status(made(1)).problems == ()
    assert status(made(3)).problems == ("app: the newest backup is 3 days old, more than 26 h",)


def test_no_backup_at_all_is_a_problem() -> None:
    assert status().problems == ("app has no backup",)


def test_a_database_that_is_not_asked_for_is_shown_and_may_be_old() -> None:
    found = status(made(1), made(90, database="retired"))
    assert [each.database for each in found.databases] == ["app", "retired"]
    assert found.problems == ()


def test_a_failed_drill_is_a_problem_until_a_later_one_succeeds() -> None:
    assert status(made(0.5, ok=False), made(1, ok=True)).problems == ("app: the last drill failed",)
    found = status(made(0.5, ok=True), made(1, ok=False))
    assert found.problems == ()
    assert found.databases[0].restore_seconds == 2.5


def test_a_database_that_no_drill_has_proved_is_told_and_no_problem() -> None:
    assert status(made(1)).unproved == ("app",)
    assert status(made(1)).problems == ()
    assert status(made(1), made(2, ok=True), made(1, database="retired")).unproved == ()


def test_damage_is_a_problem() -> None:
    damaged = Damaged(Naming("p").name("app", NOW), "its object is missing")
    (problem,) = status(made(1), damaged=(damaged,)).problems
    assert problem.startswith("p/2025/06/30/backup_20250630_120000 is damaged: its object is missing; once you have")


def test_the_next_expiry_is_when_retention_removes_one() -> None:
    (app,) = status(made(0), made(10), made(29)).databases
    assert app.next_expiry_at == NOW + timedelta(days=1)
    assert status(made(0)).databases[0].next_expiry_at is None
