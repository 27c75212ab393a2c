"""The log of a run: text for people, or one JSON object per line for collectors."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any, Literal

from services.formatting import printable, printable_lines

Style = Literal["text", "json"]
_LINE = "<dim>{time:HH:mm:ss!UTC}</dim> <level>{level: <7}</level> {message}\n{extra[traceback]}"

_SHORTEST_SECRET = 5  # characters: LocalStack's 'test' is part of many words


def make_redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that removes the secrets from a text, longest first: one may contain another."""
    longest_first = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in longest_first:
            text = text.replace(secret, "***")
        return text

    return redact


def configure(level: str, style: Style, redact: Callable[[str], str], **fields: str) -> None:
    """Send the log to standard error, without secrets and without the values of local variables.

    `fields` are in each JSON object, as are those bound to a line. In text, control characters are escaped: only an
    indented line continues the one above. Secrets are removed before escaping, which would hide those with quotes.
    """
    from loguru import logger

    from jobs.cli.console import redirect_to_devnull

    def write(text: str) -> None:
        try:
            print(text, end="", file=sys.stderr, flush=True)  # noqa: T201
        except OSError:  # a full disk must not stop the job
            redirect_to_devnull(sys.stderr)

    def text_line(record: Any) -> str:
        record["message"] = printable_lines(redact(record["message"]))
        lines = redact(_traceback(record)).splitlines()
        record["extra"]["traceback"] = "".join(f"{printable(line)}\n" for line in lines)
        return _LINE

    def write_json(message: Any) -> None:
        write(json.dumps(redacted(dict(_fields(message.record)), redact), default=str) + "\n")

    logger.remove()
    logger.configure(extra=dict(fields))
    options: Any = {"level": level, "diagnose": False, "backtrace": False}
    if style == "json":
        logger.add(write_json, format="{message}", **options)
    else:
        logger.add(write, format=text_line, colorize=_use_color(), **options)


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return JSON's own types with the secrets removed from every string, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redacted(name, redact): redacted(item, redact) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return value


def _use_color() -> bool:
    """Return whether the log is colored: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _fields(record: Any) -> Iterator[tuple[str, Any]]:
    yield "time", record["time"].astimezone(UTC).isoformat(timespec="milliseconds")
    yield "level", record["level"].name.lower()
    yield from record["extra"].items()
    yield "message", record["message"]
    if record["exception"] is not None:
        yield "exception", _traceback(record)


def _traceback(record: Any) -> str:
    exception = record["exception"]
    return "" if exception is None else "".join(traceback.format_exception(exception.value))
