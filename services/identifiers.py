"""Names as SQL writes them: the one place where an identifier is quoted."""

from __future__ import annotations


def quote(name: str, mark: str = '"') -> str:
    """An identifier between quotes, those inside it doubled; `mark` is a backtick in Hive's DDL."""
    return mark + name.replace(mark, mark * 2) + mark


def literal(text: str) -> str:
    """A text as a literal of standard SQL."""
    return quote(text, "'")
