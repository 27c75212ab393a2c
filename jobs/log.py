"""The log of a run: short lines for people, or one JSON object a line for collectors."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any, Literal

Style = Literal["text", "json"]
_LINE = "<dim>{time:HH:mm:ss!UTC}</dim> <level>{level: <7}</level> {message}"

_SHORTEST_SECRET = 5  # 'test', which LocalStack takes, is none, and stands in many words


def hiding(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that takes the secrets out of a text: the longest first, as a short one may be part of it."""
    hidden = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return redact


def configure(level: str, style: Style, redact: Callable[[str], str], **fields: str) -> None:
    """Sends the log to standard error, without secrets and without the values of variables.

    `fields` are in each JSON object, as are those that a line was bound with.
    """
    from loguru import logger

    def write_text(message: Any) -> None:
        print(redact(message), end="", file=sys.stderr)  # noqa: T201

    def write_json(message: Any) -> None:
        # before quotes in them are escaped, or a secret with one would not be known again
        told = {name: redact(value) if isinstance(value, str) else value for name, value in _fields(message.record)}
        print(json.dumps(told, default=str), file=sys.stderr, flush=True)  # noqa: T201

    logger.remove()
    logger.configure(extra=dict(fields))
    careful: Any = {"level": level, "diagnose": False, "backtrace": False}
    if style == "json":
        logger.add(write_json, format="{message}", **careful)
    else:
        logger.add(write_text, format=_LINE, colorize=sys.stderr.isatty(), **careful)


def _fields(record: Any) -> Iterator[tuple[str, Any]]:
    yield "time", record["time"].astimezone(UTC).isoformat(timespec="milliseconds")
    yield "level", record["level"].name.lower()
    yield from record["extra"].items()
    yield "message", record["message"]
    if record["exception"] is not None:
        yield "exception", "".join(traceback.format_exception(record["exception"].value))
