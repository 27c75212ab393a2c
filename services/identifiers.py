"""Quotes identifiers and literals of SQL."""

from __future__ import annotations


def quote(name: str, mark: str = '"') -> str:
    """Return a quoted identifier with inner quotes doubled; `mark` is a backtick in Hive's DDL."""
    return mark + name.replace(mark, mark * 2) + mark


def literal(text: str) -> str:
    """Return a text as a literal of standard SQL."""
    return quote(text, "'")
