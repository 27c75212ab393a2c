"""Sends messages through Apprise, and pings a monitor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import apprise
import urllib3

from services.operations.events import EventType, Message

_TYPES = {
    EventType.START: apprise.NotifyType.INFO,
    EventType.SUCCESS: apprise.NotifyType.SUCCESS,
    EventType.FAILURE: apprise.NotifyType.FAILURE,
    EventType.LATE: apprise.NotifyType.WARNING,
    EventType.SHRANK: apprise.NotifyType.WARNING,
}


_ENDINGS = {EventType.START: "/start", EventType.SUCCESS: "", EventType.FAILURE: "/fail"}


_BODY_LIMIT = 10_000  # bytes; healthchecks.io keeps the first 100 kB


# Apprise logs the addresses that it could not reach, which contain tokens.
logging.getLogger("apprise").addHandler(logging.NullHandler())


logging.getLogger("apprise").propagate = False


def send(urls: Sequence[str], moment: EventType, message: Message | None) -> list[str]:
    """Send a message to each Apprise URL and return the problems, one line each, without the URLs' secrets.

    Apprise escapes the plain text for services that take only HTML. Without a message the URLs are only parsed: a typo
    should not wait for a failure. Only a known scheme is shown, as any other text may be part of a secret.
    """
    problems = []
    for number, url in enumerate(urls, 1):
        scheme = url.partition("://")[0].lower()
        sender = apprise.Apprise()
        if not sender.add(url):
            where = f"begins with '{scheme}:'" if scheme in apprise.plugins.N_MGR else "has no known scheme"
            problems.append(f"Apprise cannot parse address {number} of {len(urls)} in NOTIFY_URLS, which {where}")
        elif message and not sender.notify(
            title=message.title,
            body=message.body,
            notify_type=_TYPES[moment],
            body_format=apprise.NotifyFormat.TEXT,
        ):
            problems.append(f"{scheme} did not accept the message")
    return problems


def ping_address(url: str, moment: EventType) -> str | None:
    """Return the URL to ping for an event, or None: a monitor notices a late run itself."""
    if moment not in _ENDINGS:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _ENDINGS[moment]))


def ping(url: str, moment: EventType, body: str) -> list[str]:
    """Ping a monitor such as healthchecks.io, at most three times, and return the problems."""
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
        return [f"could not reach {host} ({type(error).__name__})"]
    return [] if answer.status < 400 else [f"{host} answered {answer.status}"]
