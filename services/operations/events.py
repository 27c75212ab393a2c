"""The events of a job and their messages. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services import formatting
from services.operations.figures import MetricSample


class EventType(StrEnum):
    """The events that NOTIFY_ON selects."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    LATE = "late"
    SHRANK = "shrank"


@dataclass(frozen=True)
class Event:
    """An event of one run."""

    moment: EventType
    job: str
    database: str
    at: datetime
    run_id: str = ""
    host: str = ""
    seconds: float | None = None  # None before the end, as is the exit code
    exit_code: int | None = None
    error: str = ""
    next_step: str = ""
    usd: Decimal | None = None
    figures: tuple[MetricSample, ...] = ()
    late_since: datetime | None = None  # for EventType.LATE: when the run was due


@dataclass(frozen=True)
class Alarm:
    """A finding of a successful job that people must hear of: a database that shrank."""

    database: str
    what: str
    next_step: str


@dataclass(frozen=True)
class Message:
    """A message in plain text."""

    title: str
    body: str


_VERBS = {
    EventType.START: "started",
    EventType.SUCCESS: "done",
    EventType.FAILURE: "FAILED",
    EventType.LATE: "is LATE",
    EventType.SHRANK: "succeeded, but the database SHRANK",
}


_NAMES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "shoreline_backup_bytes": ("stored", lambda value: formatting.size(int(value))),
    "shoreline_backup_rows": ("rows", "{:,.0f}".format),
    "shoreline_backup_ratio": ("ratio", "{:.1f}".format),
    "shoreline_backups_kept": ("kept", "{:,.0f}".format),
    "shoreline_drill_restore_seconds": ("restored in", formatting.seconds),
}


def message(event: Event, redact: Callable[[str], str] = lambda text: text) -> Message:
    """Return the message of an event. `redact` removes secrets; control characters are escaped."""
    lines = [f"at         {formatting.moment(event.at)}"]
    if event.late_since is not None:
        lines.append(f"due        {formatting.moment(event.late_since)}, and no run has succeeded since")
    if event.error:
        lines += [f"what       {event.error}", f"next       {event.next_step or 'see the log'}"]
    if event.seconds is not None:
        lines.append(f"took       {formatting.seconds(event.seconds)}")
    for sample in event.figures:
        if sample.name in _NAMES:
            name, shown = _NAMES[sample.name]
            database = sample.labels.get("database", event.database)
            other = "" if database == event.database else f" ({database})"
            lines.append(f"{name:<10} {shown(sample.value)}{other}")
    if event.usd is not None:
        lines.append(f"cost       {formatting.money(event.usd)}")
    if event.exit_code:
        lines.append(f"exit code  {event.exit_code}")
    lines += [f"{name:<10} {value}" for name, value in (("run", event.run_id), ("host", event.host)) if value]
    title = f"{event.job} of {event.database} {_VERBS[event.moment]}"
    return Message(
        formatting.printable(redact(title)), "\n".join(formatting.printable_lines(redact(line)) for line in lines)
    )
