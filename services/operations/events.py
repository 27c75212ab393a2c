"""What happens to a job, and the words in which people are told. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services import formatting
from services.operations.figures import MetricSample


class EventType(StrEnum):
    """When people may be told."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    LATE = "late"
    SHRANK = "shrank"


@dataclass(frozen=True)
class Event:
    """One moment of one run. `seconds`, `exit_code` and `usd` are of its end, `late_since` when it is late."""

    moment: EventType
    job: str
    database: str
    at: datetime
    run_id: str = ""
    host: str = ""
    seconds: float | None = None
    exit_code: int | None = None
    error: str = ""
    next_step: str = ""
    usd: Decimal | None = None
    figures: tuple[MetricSample, ...] = ()
    late_since: datetime | None = None


@dataclass(frozen=True)
class Alarm:
    """What a job that succeeded found out, and people have to hear of: a database that shrank."""

    database: str
    what: str
    next_step: str


@dataclass(frozen=True)
class Message:
    """What a person reads."""

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
    """Return the event in words, as plain text. `redact` removes secrets; control characters are escaped."""
    lines = [f"at         {formatting.moment(event.at)}"]
    if event.late_since is not None:
        lines.append(f"due        {formatting.moment(event.late_since)}, and no run has ended well since")
    if event.error:
        lines += [f"what       {event.error}", f"next       {event.next_step or 'see the log'}"]
    if event.seconds is not None:
        lines.append(f"took       {formatting.seconds(event.seconds)}")
    for figure in event.figures:
        if figure.name in _NAMES:
            name, shown = _NAMES[figure.name]
            of = figure.labels.get("database", event.database)
            lines.append(f"{name:<10} {shown(figure.value)}" + (f" ({of})" if of != event.database else ""))
    if event.usd is not None:
        lines.append(f"cost       {formatting.money(event.usd)}")
    if event.exit_code:
        lines.append(f"exit code  {event.exit_code}")
    lines += [f"{name:<10} {value}" for name, value in (("run", event.run_id), ("host", event.host)) if value]
    title = f"{event.job} of {event.database} {_VERBS[event.moment]}"
    return Message(
        formatting.printable(redact(title)), "\n".join(formatting.printable_lines(redact(line)) for line in lines)
    )
