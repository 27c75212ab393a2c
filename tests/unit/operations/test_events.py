"""Messages say what happened, and no secret."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from jobs.cli.logging import make_redactor
from services.operations.events import Event, EventType, message
from services.operations.figures import MetricSample
from services.operations.notifications import ping_address, send
from services.settings import load

AT = datetime(2026, 3, 10, 2, 0, 12, tzinfo=UTC)


def test_a_success_tells_its_figures() -> None:
    figures = (MetricSample("shoreline_backup_bytes", 1_234_567), MetricSample("shoreline_backup_rows", 1200))
    event = Event(
        EventType.SUCCESS, "backup", "shop", AT, "1a2b", "host", 3.2, 0, usd=Decimal("0.0012"), figures=figures
    )
    told = message(event)
    assert told.title == "backup of shop done"
    assert "stored     1.2 MB" in told.body
    assert "rows       1,200" in told.body
    assert "cost       $0.0012" in told.body
    assert "run        1a2b" in told.body


def test_a_failure_tells_what_happened_and_the_next_step() -> None:
    event = Event(
        EventType.FAILURE, "backup", "shop", AT, exit_code=4, error="No connection.", next_step="Check PGHOST."
    )
    told = message(event)
    assert told.title == "backup of shop FAILED"
    assert "what       No connection." in told.body
    assert "next       Check PGHOST." in told.body
    assert "exit code  4" in told.body


def test_a_message_never_carries_a_secret() -> None:
    event = Event(EventType.FAILURE, "backup", "s3cretdb", AT, error="postgres://me:hunter2@db", next_step="hunter2")
    told = message(event, make_redactor(["hunter2", "s3cretdb"]))
    assert "hunter2" not in told.body
    assert "s3cretdb" not in told.title


@pytest.mark.parametrize(
    ("moment", "address"),
    [
        (EventType.START, "https://hc.example/uuid/start?x=1"),
        (EventType.SUCCESS, "https://hc.example/uuid?x=1"),
        (EventType.FAILURE, "https://hc.example/uuid/fail?x=1"),
        (EventType.LATE, None),
    ],
)
def test_a_ping_goes_where_healthchecks_expects_it(moment: EventType, address: str | None) -> None:
    assert ping_address("https://hc.example/uuid/?x=1", moment) == address


def test_an_address_that_apprise_does_not_know_is_told_without_its_secret() -> None:
    problems = send(
        ["nosuch://token123@host"], EventType.FAILURE, message(Event(EventType.FAILURE, "backup", "shop", AT))
    )
    assert problems == ["Apprise cannot parse address 1 of 1 in NOTIFY_URLS, which has no known scheme"]


def test_settings_accept_every_event_type() -> None:
    words = ",".join(EventType)
    assert load({"BUCKET": "abc", "NOTIFY_ON": words}).notify_on == tuple(EventType)
