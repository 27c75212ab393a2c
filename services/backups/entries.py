"""The SQL of a dump, object by object: what its schema, its sequences and its large objects are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from services.backups.canonical import canonical, without_order_of_columns
from services.backups.fingerprint import FORM, Content, Fingerprint, Sequence, codec

HEADER = re.compile(
    rb"--\n-- (?:"
    rb"(?:(?:Data for |Statistics for )?Name: (?P<name>.*); Type: (?P<type>.*); Schema: (?P<schema>.*);"
    rb" Owner: (?P<owner>.*))|(?P<end>PostgreSQL database (?:cluster )?dump complete))\n--\n"
)
_AFTER_THE_END = re.compile(rb"\s*(?:\\unrestrict \w+\s*)?")
_SETVAL = re.compile(rb"setval\('((?:[^']|'')*)', (-?\d+), (true|false)\)")
# Which of these stand before an object depends on the objects before it: they are no part of it.
_DEFAULTS = re.compile(rb"^SET default_\w+ = .*;\n", re.MULTILINE)
_CREATE_TABLE = re.compile(rb'CREATE (?:UNLOGGED )?TABLE ((?:"[^"]*"|[^"\s])+) ')
_INHERITING = re.compile(rb'CREATE (?:UNLOGGED )?TABLE ((?:"[^"]*"|[^"\s])+) \(.*\)\nINHERITS \(', re.DOTALL)
_VIA_ROOT = b"-- load via partition root "  # source: pg_dump.c, dumpTableData
# What PostgreSQL's functions that print an object leave out when it is gone, although pg_dump still lists it.
_GONE = (
    ({"FUNCTION"}, re.compile(rb"\A\s*CREATE FUNCTION [^\n]* RETURNS \s*LANGUAGE ")),
    (
        {"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT"},
        re.compile(rb'\A\s*ALTER [^\n]*\n    ADD CONSTRAINT (?:"(?:[^"]|"")*"|[^"\s]+) ;'),
    ),
    (None, re.compile(rb"\A[;\s]*\Z")),
)
_WHOLE = 1 << 20  # bytes of an object's SQL that are looked at whole; longer ones are hashed as they come
_DIGEST = 16  # hex digits of an object's hash


class Entries:
    """The objects of a dump. `begin` opens one by its header, `add` gives it more SQL."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._codec = codec(encoding)
        self._schema: dict[str, str] = {}
        self._sequences: dict[str, Sequence] = {}
        self._large_objects = _LargeObjects()
        self.undefined: list[str] = []  # objects that were dropped while pg_dump ran: it lists them all the same
        self.created: set[bytes] = set()  # tables that the dump creates, as SQL writes their names
        self.inheriting: set[bytes] = set()  # those of them that have columns of others
        self._entry: _Entry | None = None
        self._ended = False
        self._after = b""

    @property
    def complete(self) -> bool:
        """Whether the dump's last line was seen, and nothing but its farewell after it."""
        return self._ended and _AFTER_THE_END.fullmatch(self._after) is not None

    @property
    def scattered(self) -> bool:
        """Whether the rows of the open object are those of one partition of several that are loaded by their root."""
        return self._entry is not None and _VIA_ROOT in self._entry.text

    def text_of(self, name: bytes) -> str:
        """Return a name in the dump as text, also where its bytes are not text in the dump's encoding."""
        return name.decode(self._codec, errors="backslashreplace")

    def begin(self, header: re.Match[bytes]) -> None:
        """Opens the next object, or the end of the dump."""
        self._close()
        if header["end"]:
            self._ended = True
        elif not self._ended:
            self._entry = _Entry(header, self.text_of)
        else:
            self._after += header[0]

    def add(self, text: bytes) -> None:
        """More SQL of the object that is open. What stands before the first one is pg_dump's own preamble."""
        if self._ended:
            self._after = (self._after + text)[:200]
        elif self._entry is None:
            return
        elif self._entry.type == "BLOBS":
            self._large_objects.add(text)
        else:
            self._entry.add(text)

    def fingerprint(self, tables: Mapping[str, Content], columns: Mapping[str, tuple[str, ...]]) -> Fingerprint:
        """All of them, with the tables' content."""
        large_objects = self._large_objects.content()
        return Fingerprint(tables, self._schema, self._sequences, large_objects, FORM, columns, self._encoding)

    def _close(self) -> None:
        entry, self._entry = self._entry, None
        if entry is None or entry.type in {"TABLE DATA", "BLOBS"}:
            return
        if entry.type == "SEQUENCE SET" and (found := _SETVAL.search(entry.text)):
            name = self.text_of(found[1].replace(b"''", b"'"))
            self._sequences[name] = Sequence(int(found[2]), found[3] == b"true")
            return
        if not entry.defined:
            self.undefined.append(entry.name)
        inherits = False
        if entry.type == "TABLE" and (found := _CREATE_TABLE.search(entry.text)):
            self.created.add(found[1])
            if inherits := _INHERITING.search(entry.text) is not None:
                self.inheriting.add(found[1])
        name, number = entry.name, 1
        while name in self._schema:
            number += 1
            name = f"{entry.name} #{number}"
        self._schema[name] = entry.digest(inherits=inherits)


class _Entry:
    """One object: its header and its SQL."""

    def __init__(self, header: re.Match[bytes], text_of: Callable[[bytes], str]) -> None:
        self.type = text_of(header["type"])
        schema, name = text_of(header["schema"]), text_of(header["name"])
        self.name = f"{self.type} {name}" if schema == "-" else f"{self.type} {schema}.{name}"
        self.text = b""  # of a short object; empty once it is longer than _WHOLE
        self._long = False
        self._hash = hashlib.sha256(header["owner"] + b"\n")

    def add(self, text: bytes) -> None:
        """Takes more of the object's SQL."""
        if not self._long:
            self.text += text
            if len(self.text) <= _WHOLE:
                return
            text, self.text, self._long = self.text, b"", True
        self._hash.update(text)

    @property
    def defined(self) -> bool:
        """Whether pg_dump wrote a definition of the object that it lists."""
        if self._long:
            return True
        return not any((types is None or self.type in types) and gone.search(self.text) for types, gone in _GONE)

    def digest(self, *, inherits: bool = False) -> str:
        """The hash of its SQL, without what a restore changes; wherever the stream was cut.

        The columns of a table that inherits may be in another order once it was restored.
        """
        if not self._long:
            sql = _DEFAULTS.sub(b"", self.text).strip()
            self._hash.update(without_order_of_columns(sql) if inherits else canonical(sql))
        return self._hash.hexdigest()[:_DIGEST]


class _LargeObjects:
    """The contents of all large objects, in the order of their numbers."""

    def __init__(self) -> None:
        self._count = 0
        self._bytes = 0
        self._hash = hashlib.sha256()

    def add(self, text: bytes) -> None:
        self._count += text.count(b"pg_catalog.lo_open('")
        self._bytes += len(text)
        self._hash.update(text)

    def content(self) -> Content | None:
        return Content(self._count, self._bytes, self._hash.hexdigest()) if self._count else None
