"""Telling people through Apprise, and monitors through a ping URL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

import apprise
import urllib3

from services import formatting as human
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
    "shoreline_backup_bytes": ("stored", lambda value: human.size(int(value))),
    "shoreline_backup_rows": ("rows", "{:,.0f}".format),
    "shoreline_backup_ratio": ("ratio", "{:.1f}".format),
    "shoreline_backups_kept": ("kept", "{:,.0f}".format),
    "shoreline_drill_restore_seconds": ("restored in", human.seconds),
}


def message(event: Event, redact: Callable[[str], str] = lambda text: text) -> Message:
    """Return the event in words, as plain text. `redact` removes secrets; control characters are escaped."""
    lines = [f"at         {human.moment(event.at)}"]
    if event.late_since is not None:
        lines.append(f"due        {human.moment(event.late_since)}, and no run has ended well since")
    if event.error:
        lines += [f"what       {event.error}", f"next       {event.next_step or 'see the log'}"]
    if event.seconds is not None:
        lines.append(f"took       {human.seconds(event.seconds)}")
    for figure in event.figures:
        if figure.name in _NAMES:
            name, shown = _NAMES[figure.name]
            of = figure.labels.get("database", event.database)
            lines.append(f"{name:<10} {shown(figure.value)}" + (f" ({of})" if of != event.database else ""))
    if event.usd is not None:
        lines.append(f"cost       {human.money(event.usd)}")
    if event.exit_code:
        lines.append(f"exit code  {event.exit_code}")
    lines += [f"{name:<10} {value}" for name, value in (("run", event.run_id), ("host", event.host)) if value]
    title = f"{event.job} of {event.database} {_VERBS[event.moment]}"
    return Message(human.printable(redact(title)), "\n".join(human.printable_lines(redact(line)) for line in lines))


_TYPES = {
    EventType.START: apprise.NotifyType.INFO,
    EventType.SUCCESS: apprise.NotifyType.SUCCESS,
    EventType.FAILURE: apprise.NotifyType.FAILURE,
    EventType.LATE: apprise.NotifyType.WARNING,
    EventType.SHRANK: apprise.NotifyType.WARNING,
}
_ENDINGS = {EventType.START: "/start", EventType.SUCCESS: "", EventType.FAILURE: "/fail"}
_BODY_LIMIT = 10_000  # bytes; healthchecks.io keeps the first 100 kB

# Apprise logs the addresses that it could not reach, which hold tokens.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False


def send(urls: Sequence[str], moment: EventType, message: Message | None) -> list[str]:
    """Send a message to each Apprise URL; return what went wrong, a line for each, without the URLs' secrets.

    The message is plain text, which Apprise escapes for a service that takes only HTML. Without a message it only looks
    whether Apprise understands each URL: a mistyped one should not wait for a failure.
    """
    problems = []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        sender = apprise.Apprise()
        if not sender.add(url):
            where = f"begins with '{scheme}:'" if scheme in apprise.plugins.N_MGR else "has no known scheme"
            problems.append(
                f"Apprise does not understand address {number} of {len(urls)} in NOTIFY_URLS, which {where}"
            )
        elif message and not sender.notify(
            title=message.title,
            body=message.body,
            notify_type=_TYPES[moment],
            body_format=apprise.NotifyFormat.TEXT,
        ):
            problems.append(f"{scheme} did not take the message")
    return problems


def ping_address(url: str, moment: EventType) -> str | None:
    """The address that tells of this moment, or None where there is none: a monitor notices by itself what is late."""
    if moment not in _ENDINGS:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _ENDINGS[moment]))


def ping(url: str, moment: EventType, body: str) -> list[str]:
    """Tells a monitor in the manner of healthchecks.io, three times at most, and gives what went wrong."""
    address = ping_address(url, moment)
    if address is None:
        return []
    retries = urllib3.Retry(
        total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None
    )
    host = urlsplit(url).hostname
    try:
        answer = urllib3.request("POST", address, body=body.encode()[:_BODY_LIMIT], retries=retries, timeout=5.0)
    except urllib3.exceptions.HTTPError as error:
        return [f"{host} was not reached ({type(error).__name__})"]
    return [] if answer.status < 400 else [f"{host} answered {answer.status}"]
