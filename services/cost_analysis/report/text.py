"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from services import formatting

_NOTHING = Decimal("0.00005")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table, the first `left` columns to the left and the rest to the right."""
    marks = ["---" if number < left else "---:" for number in range(len(headings))]
    lines = [list(headings), marks, *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def usd(amount: Decimal) -> str:
    """Dollars: cents from half a cent on, two figures below, and '$0' for what rounds to no hundredth of a cent."""
    if amount < _NOTHING:
        return "$0"
    return f"${amount:,.2f}" if amount >= Decimal("0.005") else formatting.money(amount)


def duration(seconds: Decimal) -> str:
    """A time as a person says it: '1 min', '5 min', '1 day', '3.2 h'."""
    if seconds >= 86400:
        days = seconds / 86400
        return "1 day" if days == 1 else f"{days:,.1f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def figure(value: Decimal) -> str:
    """A number with four figures, without an exponent."""
    places = max(0, 3 - value.adjusted()) if value else 0
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(larger: Decimal, smaller: Decimal) -> str:
    """How many times: '2,076 times', '3.2 times'."""
    ratio = larger / smaller
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
