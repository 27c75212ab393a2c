"""Loads each table in the transaction that emptied it, so that its rows come to lie in the order of the dump."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.backups.rows import Rows
from services.backups.scanner import Scanner
from services.backups.streams import Blocks


def in_order(blocks: Iterable[bytes]) -> Blocks:
    """Yield a plain dump in which each COPY empties its table first, in one transaction with it.

    COPY into a table that an earlier transaction created puts short rows into gaps on earlier pages. Into one that its
    own transaction created or emptied it only appends. pg_restore does the same for the tables that it loads in
    parallel. Tables that the dump did not create are left alone: an extension may have filled them.
    """
    loader = _Loader()
    for block in blocks:
        yield from loader.rewritten(block)
    yield loader.rest


class _Loader(Scanner):
    def __init__(self) -> None:
        super().__init__()
        self._insertions: list[tuple[int, bytes]] = []  # by their place in the dump
        self._open = False
        self.rest = b""

    def rewritten(self, block: bytes) -> Blocks:
        """Yield as much of the dump as was looked at, with what is inserted."""
        text = self.rest + block
        start = self.bytes - len(self.rest)
        self.feed(block)
        at = 0
        for place, statements in self._insertions:
            yield text[at : place - start]
            yield statements
            at = place - start
        self._insertions.clear()
        end = len(text) - self.held
        if end > at:
            yield text[at:end]
        self.rest = text[end:]

    def _rows_of(self, copy: re.Match[bytes]) -> Rows:
        return Rows(super()._rows_of(copy).name, _Nothing())

    def _begin_rows(self, at: int, name: bytes) -> None:
        self._open = name in self._entries.created and not self._entries.scattered
        if self._open:
            self._insertions.append((at, b"BEGIN;\nTRUNCATE TABLE ONLY %s;\n" % name))

    def _end_rows(self, at: int) -> None:
        if self._open:
            self._insertions.append((at, b"COMMIT;\n"))


class _Nothing:
    """In the place of a hash."""

    def update(self, text: memoryview, /) -> None:
        """Take no text."""

    def hexdigest(self) -> str:
        """Return nothing."""
        return ""
