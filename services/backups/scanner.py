"""Takes the fingerprint of a plain dump as it streams by, holding back no more than an unfinished line of SQL.

The dump is read as psql reads it: what looks like a table's data inside a string, a function's body or a quoted
name is not taken for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from services.backups.entries import HEADER, Entries
from services.backups.fingerprint import Content, Fingerprint
from services.backups.rows import Hash, Reordered, Rows, Unordered
from services.backups.stream import Blocks
from services.errors import BackupFailed

# What hides text from SQL, or opens a table's rows. Searched from places that are outside of all of them.
_OPENER = re.compile(
    rb"""(?P<comment>--)|(?P<string>')|(?P<name>")|^(?P<copy>COPY )"""
    rb"""|(?<![\w$\x80-\xff])(?P<dollar>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)""",
    re.MULTILINE,
)
_COPY = re.compile(rb'COPY ((?:"[^"]*"|[^"\s])+) (?:\(((?:"[^"]*"|[^"])*?)\))? FROM stdin;\n')
_COLUMN = re.compile(rb'(?:"[^"]*"|[^",\s])+')
_ESCAPE_STRING = re.compile(rb"(?:[^'\\]++|\\.|'')*+'(?=[^'])", re.DOTALL)
_WORD = re.compile(rb"[\w$\x80-\xff]")
_LONGEST_COPY = 1 << 20  # bytes; 1,600 columns of 63 bytes each, quoted, are 200 kB
_LONGEST_HEADER = 1 << 14


class Scanner:
    """Follows a plain dump block by block: `feed` it all, then `finish` gives the fingerprint.

    `encoding` is that of the dump, as PostgreSQL calls it. `columns` says in which order the columns of some tables are
    hashed: that of an earlier fingerprint. The rows of the tables that `unordered` names are hashed in any order.
    """

    def __init__(
        self,
        encoding: str = "UTF8",
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        unordered: Collection[str] = (),
    ) -> None:
        self._wanted = columns or {}
        self._unordered = unordered
        self._columns: dict[str, tuple[str, ...]] = {}
        self._carry = b""
        self._table: Rows | None = None
        self._tables: dict[str, Content] = {}
        self._scattered: dict[str, Rows] = {}
        self._entries = Entries(encoding)
        self._start = 0  # where the text that is looked at begins in the dump
        self.bytes = 0

    def watch(self, blocks: Iterable[bytes]) -> Blocks:
        """The same blocks, each looked at on its way."""
        for block in blocks:
            self.feed(block)
            yield block

    def feed(self, block: bytes) -> None:
        """Looks at the next block, of any size."""
        self.bytes += len(block)
        text = self._carry + block if self._carry else block
        self._start = self.bytes - len(text)
        at, more = 0, True
        while more and at < len(text):
            at, more = self._rows(self._table, text, at) if self._table else self._sql(text, at)
        self._carry = text[at:]

    @property
    def held(self) -> int:
        """Bytes that wait for the next block."""
        return len(self._carry)

    @property
    def undefined(self) -> list[str]:
        """The objects that the dump lists without a definition, by type and name."""
        return self._entries.undefined

    def finish(self) -> Fingerprint:
        """The fingerprint. Raises BackupFailed unless the dump ended as a whole one does."""
        if self._table is not None:
            raise BackupFailed(f"The dump ended in the middle of table {self._table.name}.")
        if not self._entries.complete or self._carry.strip():
            raise BackupFailed("The dump has no end: the line 'PostgreSQL database dump complete' is missing.")
        return self._entries.fingerprint(self._tables, self._columns)

    def _rows(self, table: Rows, text: bytes, at: int) -> tuple[int, bool]:
        """Takes a table's rows; gives where it got to, and whether SQL goes on there."""
        end, closed = table.take(text, at)
        if closed:
            self._tables[table.name] = table.content()
            self._table = None
            self._end_rows(self._start + end)
        return end, closed

    def _begin_rows(self, at: int, name: bytes) -> None:
        """Does nothing with where in the dump the rows of a table are announced; a subclass may."""

    def _end_rows(self, at: int) -> None:
        """Does nothing with where in the dump the rows of a table are over; a subclass may."""

    def _rows_of(self, copy: re.Match[bytes]) -> Rows:
        """What takes the rows of a table: the same again where its partitions are loaded one by one by its name."""
        name = self._entries.text_of(copy[1])
        if self._entries.scattered:
            return self._scattered.setdefault(name, Rows(name, Unordered()))
        hash_: Hash = Unordered() if name in self._unordered else hashlib.sha256()
        if copy[1] not in self._entries.inheriting:
            return Rows(name, hash_)
        columns = tuple(self._entries.text_of(column) for column in _COLUMN.findall(copy[2] or b""))
        wanted = tuple(self._wanted.get(name, columns))
        if wanted == columns or sorted(wanted) != sorted(columns):
            wanted = columns
        self._columns[name] = wanted
        return Rows(name, hash_ if wanted == columns else Reordered([columns.index(each) for each in wanted], hash_))

    def _sql(self, text: bytes, start: int) -> tuple[int, bool]:
        """Takes SQL up to a table's rows, or its last whole line; gives where, and whether rows begin there."""
        at = line = start  # `line` begins the last line that begins outside of all strings
        while found := _OPENER.search(text, at):
            opened = found.start()
            line = max(line, text.rfind(b"\n", at, opened) + 1)
            if found["copy"] and (copy := _COPY.match(text, opened)):
                self._entries.add(text[start:opened])
                self._table = self._rows_of(copy)
                self._begin_rows(self._start + opened, copy[1])
                return copy.end(), True
            if header := HEADER.match(text, opened):
                self._entries.add(text[start:opened])
                self._entries.begin(header)
                at = start = line = header.end()
                continue
            at = _closing(text, found)
            if at < 0:
                break
        else:
            line = max(line, text.rfind(b"\n", at) + 1)
        self._entries.add(text[start:line])
        return line, False


def _closing(text: bytes, found: re.Match[bytes]) -> int:
    """Where what `found` opens is over, or -1 when that is not in the text yet."""
    opened, inside = found.span()
    if found["copy"]:
        return inside if len(text) - opened > _LONGEST_COPY else -1
    if found["comment"]:
        if text.startswith(b"--\n", opened) and text.count(b"\n", opened, opened + _LONGEST_HEADER) < 3:
            return inside if len(text) - opened > _LONGEST_HEADER else -1
        return text.find(b"\n", inside)
    if found["string"] and text[opened - 1 : opened] in (b"E", b"e") and not _WORD.match(text, max(opened - 2, 0)):
        string = _ESCAPE_STRING.match(text, inside)
        return string.end() if string else -1
    closer = found[0]
    end = text.find(closer, inside)
    return end + len(closer) if end >= 0 else -1
