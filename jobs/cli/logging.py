"""The log of a run: short lines for people, or one JSON object a line for collectors."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any, Literal

from services.formatting import printable, printable_lines

Style = Literal["text", "json"]
_LINE = "<dim>{time:HH:mm:ss!UTC}</dim> <level>{level: <7}</level> {message}\n{extra[traceback]}"

_SHORTEST_SECRET = 5  # 'test', which LocalStack takes, is none, and stands in many words


def make_redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that takes the secrets out of a text: the longest first, as a short one may be part of it."""
    hidden = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return redact


def configure(level: str, style: Style, redact: Callable[[str], str], **fields: str) -> None:
    """Sends the log to standard error, without secrets and without the values of variables.

    `fields` are in each JSON object, as are those that a line was bound with. In text, control characters are escaped:
    only an indented line continues the one above. Secrets are removed before anything is escaped, or one with a quote
    or a control character would not be recognised.
    """
    from loguru import logger

    from jobs.cli.console import redirect_to_devnull

    def write(text: str) -> None:
        try:
            print(text, end="", file=sys.stderr, flush=True)  # noqa: T201
        except OSError:  # a log that cannot be written, as on a full disk, stops no job
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
    careful: Any = {"level": level, "diagnose": False, "backtrace": False}
    if style == "json":
        logger.add(write_json, format="{message}", **careful)
    else:
        logger.add(write, format=text_line, colorize=sys.stderr.isatty(), **careful)


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return JSON's own types with the secrets removed from every string, keys included."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redacted(name, redact): redacted(item, redact) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return value


def _fields(record: Any) -> Iterator[tuple[str, Any]]:
    yield "time", record["time"].astimezone(UTC).isoformat(timespec="milliseconds")
    yield "level", record["level"].name.lower()
    yield from record["extra"].items()
    yield "message", record["message"]
    if record["exception"] is not None:
        yield "exception", _traceback(record)


def _traceback(record: Any) -> str:
    found = record["exception"]
    return "" if found is None else "".join(traceback.format_exception(found.value))
