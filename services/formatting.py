"""Formats sizes, times, counts and money for people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

_UNITS = ("KB", "MB", "GB", "TB", "PB")
# C0 and C1 controls, line separators, marks of text direction, and lone surrogates.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTINUATION = "\n  "


def size(count: int) -> str:
    """Format bytes in powers of 1000, as AWS bills scans: '0 B', '1.9 KB', '302 MB'."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        value /= 1000
        if value < 999.5 or unit == _UNITS[-1]:
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:,.0f} {unit}"
    raise AssertionError


def seconds(value: float) -> str:
    """Format a duration: '40 ms', '3.2 s', '4 min 10 s', '2 h 05 min'."""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def age(span: timedelta) -> str:
    """Format an age: '12 s', '5 min', '3 h', '12 days'."""
    whole = max(0, int(span.total_seconds()))
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length or (unit != "days" and whole >= length):
            return f"{whole // length} {unit}"
    return f"{whole} s"


def count(number: int, thing: str, things: str = "") -> str:
    """Format a counted noun: '1 row', '1,200 rows'."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def money(amount: Decimal) -> str:
    """Format US dollars with two significant figures below a cent: '$0.00', '$12.34', '$0.000052'."""
    if amount == 0:
        return "$0.00"
    places = max(2, 1 - amount.adjusted())
    return f"${amount:,.{places}f}"


def moment(at: datetime) -> str:
    """Format a time in UTC: '2025-06-10 14:30:22 UTC'."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def printable(text: str) -> str:
    """Return one line of text with its control characters escaped, such as ESC as '\\x1b': names are data."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def printable_lines(text: str) -> str:
    """Return a message with its control characters escaped, except a line break before two spaces.

    Messages list items on indented lines. A name that contains a line break cannot start a new line.
    """
    return _CONTINUATION.join(map(printable, text.split(_CONTINUATION)))


def account(account_id: str) -> str:
    """Return 'account 123456789012', or the words that stand for an account that nobody names."""
    return f"account {account_id}" if account_id.isdigit() else account_id
