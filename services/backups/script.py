"""Prepares a plain dump for psql: keeps the order of rows, and lets through SQL only.

A backslash outside of strings, quoted names, comments and rows of COPY starts a command of psql, which would run as the
user of the job, on its host: `\\! rm`, `\\o |rm`. A psql that knows `\\restrict` refuses such commands; this module
refuses them for an older one.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from services.backups.rows import Rows
from services.backups.scanner import Scanner
from services.backups.stream import Blocks
from services.errors import BackupDamaged


def truncate_before_copy(blocks: Iterable[bytes]) -> Blocks:
    """Yield a plain dump in which each COPY truncates its table first, in the same transaction.

    COPY into a table that an earlier transaction created puts short rows into gaps on earlier pages. Into a table that
    the same transaction created or truncated it only appends. pg_restore --jobs does the same. Tables that the dump did
    not create are not truncated, because an extension may have filled them.
    """
    loader = _CopyRewriter()
    for block in blocks:
        yield from loader.rewritten(block)
    yield loader.rest


class _CopyRewriter(Scanner):
    """A scanner that inserts statements around the rows of tables."""

    def __init__(self) -> None:
        super().__init__()
        self._insertions: list[tuple[int, bytes]] = []  # by their place in the dump
        self._open = False
        self.rest = b""

    def rewritten(self, block: bytes) -> Blocks:
        """Yield the part of the dump that was scanned, with the inserted statements."""
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
        return Rows(super()._rows_of(copy).name, _NullHash())

    def _begin_rows(self, at: int, name: bytes) -> None:
        self._open = name in self._entries.created and not self._entries.scattered
        if self._open:
            self._insertions.append((at, b"BEGIN;\nTRUNCATE TABLE ONLY %s;\n" % name))

    def _end_rows(self, at: int) -> None:
        if self._open:
            self._insertions.append((at, b"COMMIT;\n"))


class _NullHash:
    """A hash that is not computed."""

    def update(self, text: memoryview, /) -> None:
        """Take no text."""

    def hexdigest(self) -> str:
        """Return nothing."""
        return ""


_HEAD_BYTES = 4096  # pg_dump writes its \restrict after three lines of comment
_HEAD = re.compile(rb"\A((?:--[^\n]*\n|\n)*)\\restrict ([A-Za-z0-9]+)\n")
_TOKEN = re.compile(
    rb"""(?P<comment>--)|(?P<block>/\*)|(?P<string>')|(?P<name>")|(?P<command>\\)|(?P<open>\()|(?P<close>\))"""
    rb"""|(?P<end>;)|(?P<atomic>\bBEGIN\s+ATOMIC\b)|^(?P<atomic_end>END;)"""
    rb"""|(?<![\w$\x80-\xff])(?P<dollar>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)""",
    re.MULTILINE,
)
_COPY = re.compile(rb"""COPY (?:[^"';\n]|"[^"]*")* FROM stdin;\n""")
_LONGEST_COPY = 1 << 20  # bytes; 1,600 columns of 63 bytes each, quoted, are 200 kB
_SPACE = re.compile(rb"\s*")
_ESCAPE_STRING = re.compile(rb"(?:[^'\\]++|\\.|'')*+'(?=[^'])", re.DOTALL)
_NESTING = re.compile(rb"/\*|\*/")
_ROWS_END = b"\n\\.\n"


def restrict_to_sql(blocks: Iterable[bytes], psql: Path) -> Blocks:
    """Return the script in a form of which this psql executes SQL only. Raises BackupDamaged for a command of psql.

    The dump's own `\\restrict` is replaced by one with a new key, which the author of the dump cannot know.
    """
    plain = without_restriction(blocks)
    if _knows_restrict(psql):
        return _chained(b"\\restrict " + secrets.token_hex(32).encode() + b"\n", plain)
    return without_commands(plain)


def limit_bytes(blocks: Iterable[bytes], limit: int) -> Blocks:
    """Yield the same blocks. Raises BackupDamaged before there are more than `limit` bytes."""
    total = 0
    for block in blocks:
        total += len(block)
        if total > limit:
            raise BackupDamaged(
                f"The backup holds more than {limit:,} bytes of SQL, the limit that follows from its manifest."
            )
        yield block


def without_restriction(blocks: Iterable[bytes]) -> Blocks:
    """Return a dump without the `\\restrict` and `\\unrestrict` that pg_dump put around it.

    The key was random when it was written, so no line of a row or a function can have it.
    """
    rest, head = iter(blocks), b""
    for block in rest:
        head += block
        if len(head) >= _HEAD_BYTES:
            break
    found = _HEAD.match(head)
    if found is None:
        yield from chain([head], rest)
        return
    line = b"\n\\unrestrict " + found[2] + b"\n"
    held = len(line) - 1
    text = found[1] + head[found.end() :]
    for block in chain(rest, [b""]):
        text = text.replace(line, b"\n")
        if block:
            yield text[:-held]
            text = text[-held:] + block
    yield text


def without_commands(blocks: Iterable[bytes]) -> Blocks:
    """Return the same SQL. Raises BackupDamaged where a psql without `\\restrict` would run a command of its own."""
    reader = _Reader()
    for block in blocks:
        if passed := reader.feed(block):
            yield passed
    yield reader.finish()


class _Reader:
    """A lexer that splits a script as psql does, and holds back what may continue in the next block."""

    def __init__(self) -> None:
        self._carry = b""
        self._in_rows = False
        self._depth = 0  # of parentheses: within them no semicolon ends a statement
        self._atomic = False  # nor does it in the body of a function in standard SQL
        self._begun = False  # whether a statement has begun and not ended

    def feed(self, block: bytes) -> bytes:
        """Return the text that is known to have no commands."""
        text = self._carry + block
        at = self._read(text, last=False)
        self._carry = text[at:]
        return text[:at]

    def finish(self) -> bytes:
        """Return the rest."""
        text = self._carry + b"\n"
        at = self._read(text, last=True)
        if at < len(text):
            raise BackupDamaged("The backup ends within a string, a comment or a table's rows.")
        return self._carry

    def _read(self, text: bytes, *, last: bool) -> int:
        """Read whole lines; return where what is left begins."""
        at, lines_end = 0, len(text) if last else text.rfind(b"\n") + 1
        while at < len(text):
            if self._in_rows:
                end = text.find(_ROWS_END, at)
                if end < 0:
                    return max(at, len(text) - len(_ROWS_END))
                at, self._in_rows = end + len(_ROWS_END), False
            if not self._begun and not self._depth:
                at = _space_end(text, at)
                if text.startswith(b"COPY ", at) and (copy := _COPY.match(text, at)):
                    at, self._in_rows = (
                        copy.end() - 1,
                        True,
                    )  # at its line's end, which may be that before the last line
                    continue
                if text.startswith(b"COPY ", at) and not last and len(text) - at < _LONGEST_COPY:
                    return at
            found = _TOKEN.search(text, at, lines_end) if at < lines_end else None
            if text[at : found.start() if found else lines_end].strip():
                self._begun = True
            if found is None:
                return max(at, lines_end)
            end = self._token(text, found)
            if end < 0:
                return max(at, found.start() - 2)  # with the E of a string
            at = end
        return at

    def _token(self, text: bytes, found: re.Match[bytes]) -> int:
        """Return the end of the token and of what it opens, or -1 when the end is not in the text yet."""
        kind, inside = found.lastgroup, found.end()
        if kind == "command":
            raise BackupDamaged("The backup holds a command for psql, which pg_dump never writes.")
        if kind == "comment":
            end = text.find(b"\n", inside)
            return end + 1 if end >= 0 else -1
        if kind == "block":
            return _block_end(text, inside)
        if kind == "end":
            self._begun = self._begun and (self._depth > 0 or self._atomic)
            return inside
        end = _closing(text, found) if kind in ("string", "name", "dollar") else inside
        if end >= 0:
            self._begun = kind != "atomic_end" or self._depth > 0
            self._depth = max(0, self._depth + (kind == "open") - (kind == "close"))
            self._atomic = kind == "atomic" or (self._atomic and kind != "atomic_end")
        return end


def _space_end(text: bytes, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _block_end(text: bytes, at: int) -> int:
    depth = 1
    for found in _NESTING.finditer(text, at):
        depth += 1 if found[0] == b"/*" else -1
        if not depth:
            return found.end()
    return -1


def _closing(text: bytes, found: re.Match[bytes]) -> int:
    opened, inside = found.span()
    before = text[max(opened - 2, 0) : opened]
    if found["string"] and before[-1:] in (b"E", b"e") and not re.match(rb"[\w$\x80-\xff]", before[:-1]):
        string = _ESCAPE_STRING.match(text, inside)
        return string.end() if string else -1
    end = text.find(found[0], inside)
    return end + len(found[0]) if end >= 0 else -1


def _knows_restrict(psql: Path) -> bool:
    """Return whether this psql has `\\restrict`, which came with minor versions and which distributions backport."""
    answer = subprocess.run([psql, "--help=commands"], capture_output=True, check=False)
    return b"\\restrict" in answer.stdout


def _chained(first: bytes, blocks: Iterable[bytes]) -> Blocks:
    yield first
    yield from blocks
