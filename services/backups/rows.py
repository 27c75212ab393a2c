"""The rows of one COPY block, counted and hashed as they stream by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from services.backups.fingerprint import Content

_CLOSING = b"\\.\n"
_NEWLINE, _BACKSLASH, _DOT = b"\n\\."
_WINDOW = 1 << 16  # bytes looked at in one go: many small tables may lie in one block


class Hash(Protocol):
    """What hashlib's are, as far as it is needed here."""

    def update(self, text: memoryview, /) -> None:
        """Takes more text."""

    def hexdigest(self) -> str:
        """The hash of all of it."""
        ...


class Unordered:
    """A hash of lines in any order: the sum of their SHA-256. Slower than one hash over all of them.

    For tables whose rows a restore may put in another order: those that only their order tells apart, and partitions
    by the hash of an enum, which pg_dump loads through their root, as that hash changes with each restore.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._line = hashlib.sha256()

    def update(self, text: memoryview, /) -> None:
        """Takes more text, which may begin and end within a line."""
        for piece in bytes(text).splitlines(keepends=True):
            self._line.update(piece)
            if piece.endswith(b"\n"):
                self._sum += int.from_bytes(self._line.digest(), "big")
                self._line = hashlib.sha256()

    def hexdigest(self) -> str:
        """The hash of all of it."""
        return f"{self._sum % (1 << 256):064x}"


class Reordered:
    """A hash of lines whose fields stand in another order: `order` says which comes first, second and so on.

    A table that inherits may have its columns in another order once it was restored: those of its parent come first
    then.
    """

    def __init__(self, order: Sequence[int], hash_: Hash) -> None:
        self._order = order
        self._hash = hash_
        self._carry = b""

    def update(self, text: memoryview, /) -> None:
        """Takes more text, which may begin and end within a line."""
        *lines, self._carry = (self._carry + text).split(b"\n")
        for line in lines:
            fields = line.split(b"\t")
            self._hash.update(memoryview(b"\t".join(fields[place] for place in self._order) + b"\n"))

    def hexdigest(self) -> str:
        """The hash of all of it."""
        return self._hash.hexdigest()


class Rows:
    r"""Takes text up to the line `\.` that closes the block, and leaves over what may be the beginning of that line.

    Goes on with the next block of the same table, where there is one.
    """

    def __init__(self, name: str, hash_: Hash | None = None) -> None:
        self.name = name
        self._count = 0
        self._bytes = 0
        self._hash: Hash = hash_ or hashlib.sha256()
        self._line_begins = True

    def take(self, text: bytes, at: int) -> tuple[int, bool]:
        r"""Takes rows from `at` on; gives where it got to, and whether `\.` closed the block there."""
        if self._line_begins and text.startswith(_CLOSING, at):
            return at + len(_CLOSING), True
        rows, end = _find_closing(text, at)
        if end is not None:
            self._add(text, at, end, rows)
            return end + len(_CLOSING), True
        end = len(text)
        for cut in (_CLOSING[:1], _CLOSING[:2]):
            if text.endswith(b"\n" + cut, at) or (self._line_begins and text[at:] == cut):
                end -= len(cut)
        self._add(text, at, end, rows)
        return end, False

    def _add(self, text: bytes, start: int, end: int, rows: int) -> None:
        if end > start:
            self._count += rows
            self._bytes += end - start
            self._hash.update(memoryview(text)[start:end])
            self._line_begins = text[end - 1] == _NEWLINE

    def content(self) -> Content:
        """What the block held."""
        return Content(self._count, self._bytes, self._hash.hexdigest())


def _find_closing(text: bytes, at: int) -> tuple[int, int | None]:
    r"""The number of lines before a line `\.`, and where it begins; all lines and None when there is none.

    numpy counts newlines four times as fast as bytes.count; only where there is a backslash does it compare more.
    """
    import numpy as np

    letters = np.frombuffer(text, np.uint8)
    rows = 0
    for start in range(at, len(text), _WINDOW):
        newlines = letters[start : start + _WINDOW] == _NEWLINE
        after = letters[start + 1 : start + _WINDOW + len(_CLOSING)]
        if text.find(_BACKSLASH, start + 1, start + 1 + len(after)) >= 0:
            closing = (after[:-2] == _BACKSLASH) & (after[1:-1] == _DOT) & (after[2:] == _NEWLINE)
            found = np.flatnonzero(closing & newlines[: len(closing)])
            if len(found):
                first = int(found[0])
                return rows + int(np.count_nonzero(newlines[:first])) + 1, start + first + 1
        rows += int(np.count_nonzero(newlines))
    return rows, None
