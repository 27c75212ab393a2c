"""Which days a run is about, from what a person writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from services.errors import InputError


def parse_day(text: str) -> date:
    """The date of '2025-01-10'. Raises InputError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"'{text}' is no date.", next_step="Write dates as 2025-01-10.") from None


def chosen_days(
    listed: Sequence[str], first: str | None, last: str | None, default: Sequence[date]
) -> tuple[date, ...]:
    """The days of `--dates` (each may hold several, joined by commas) or of `--from` to `--to`, both included.

    Raises InputError for a date that is none, and for a span that is turned round or given with a list.
    """
    if listed and (first or last):
        raise InputError("--dates and --from/--to exclude each other.", next_step="Give one of the two.")
    if listed:
        return tuple(sorted({parse_day(text) for each in listed for text in each.split(",")}))
    begin, end = span_of_days(first or last, last or first)
    if begin is None or end is None:
        return tuple(default)
    return tuple(begin + timedelta(number) for number in range((end - begin).days + 1))


def span_of_days(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """The days of `--from` and `--to`, None where one is not given. Raises InputError."""
    begin = parse_day(first) if first else None
    end = parse_day(last) if last else None
    if begin and end and end < begin:
        raise InputError(f"--to {end} lies before --from {begin}.", next_step="Swap --from and --to.")
    return begin, end
