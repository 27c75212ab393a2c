"""Cron expressions as cron reads them. Pure: what they mean in time is APScheduler's business."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * sun",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


_TERM = re.compile(r"(?P<first>\*|\d+|[a-z]{3})(?:-(?P<last>\d+|[a-z]{3}))?(?:/(?P<step>\d+))?")


_RANGES = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


@dataclass(frozen=True)
class Cron:
    """The values at which an expression fires, by field; a weekday is counted from Sunday, 0."""

    second: frozenset[int]
    minute: frozenset[int]
    hour: frozenset[int]
    day: frozenset[int]
    month: frozenset[int]
    weekday: frozenset[int]

    def fields(self) -> dict[str, str]:
        """The arguments of APScheduler's CronTrigger. It counts weekdays from Monday, so that they go by name."""
        numbers = {
            name: ",".join(map(str, sorted(getattr(self, name))))
            for name in ("second", "minute", "hour", "day", "month")
        }
        return {**numbers, "day_of_week": ",".join(_WEEKDAYS[number] for number in sorted(self.weekday))}


def parse(expression: str) -> Cron:
    """An expression of five fields, of six with seconds in front, or one such as '@daily'. Raises ValueError.

    Cron fires when either the day of the month or the weekday fits where both are given, which surprises many and
    which nothing here needs: such an expression is refused.
    """
    text = expression.strip().lower()
    parts = _ALIASES.get(text, text).split()
    if len(parts) not in (5, 6):
        raise ValueError(
            f"{expression!r} has {len(parts)} fields: write 'minute hour day month weekday', as '0 2 * * *'"
        )
    if len(parts) == 5:
        parts = ["0", *parts]
    if "*" not in (parts[3], parts[5]):
        raise ValueError(f"{expression!r} names both a day of the month and a weekday: leave one of them '*'")
    values = {name: _field(name, part, expression) for name, part in zip(_RANGES, parts, strict=True)}
    values["weekday"] = frozenset(number % 7 for number in values["weekday"])
    return Cron(**values)


def _field(name: str, text: str, expression: str) -> frozenset[int]:
    return frozenset(number for term in text.split(",") for number in _term(name, term, expression))


def _term(name: str, text: str, expression: str) -> range:
    low, high = _RANGES[name]
    found = _TERM.fullmatch(text)
    if found is None:
        raise ValueError(f"{expression!r}: '{text}' is no {name}")
    first, last, step = found["first"], found["last"], int(found["step"] or 1)
    if first == "*":
        start, end = low, high if name != "weekday" else 6
    else:
        start = _number(name, first)
        end = _number(name, last) if last else (high if found["step"] else start)
        if name == "weekday" and last == "sun":
            end = 7  # 'fri-sun' ends the week
    if step < 1 or not low <= start <= end <= high or (first == "*" and last):
        raise ValueError(f"{expression!r}: '{text}' is no {name}, which goes from {low} to {high}")
    return range(start, end + 1, step)


def _number(name: str, text: str) -> int:
    names = {"weekday": _WEEKDAYS, "month": ("", *_MONTHS)}.get(name, ())
    return names.index(text) if text in names else (int(text) if text.isdigit() else -1)
