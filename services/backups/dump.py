"""A database as a stream: dumped, fingerprinted, compressed, counted. In constant memory, with no file in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.backups.encryption import Recipient, encrypted
from services.backups.facts import snapshot, warnings_of
from services.backups.fingerprint import Fingerprint
from services.backups.manifest import CatalogFacts
from services.backups.naming import Format
from services.backups.scanner import Scanner
from services.backups.stream import Blocks, Digest, compressed, prefetch, report_progress
from services.errors import BackupFailed
from services.postgres.client import Database
from services.postgres.process import Program
from services.postgres.waiting import DumpWatch, Limits

Advance = Callable[[int], None]
_ZLIB_LEVEL = 1  # of pg_dump's own compression: level 6 takes three times as long for a few hundredths of the size
_ANY_BYTES = "SQL_ASCII"  # a database of this encoding may hold bytes that are no text in any other
_NAMED = 5  # objects that a message names
# What decides how values are written, and may be set for the database, its owner or the server. pg_dump sets the rest.
_WRITTEN = ("standard_conforming_strings=on", "bytea_output=hex")


class Dump(ABC):
    """A database on its way out. `digest`, `fingerprint` and `plain_bytes` are whole once all `blocks` were taken.

    So are `facts`, and `warnings`: what pg_dump said of a dump that it counts as good, as that something is left out.
    """

    def __init__(
        self,
        database: Database,
        recipients: Sequence[Recipient] = (),
        advance: Advance = lambda _: None,
        limits: Limits = Limits(),  # noqa: B008  # a frozen value
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.digest = Digest()
        self.warnings: tuple[str, ...] = ()
        self._watch = DumpWatch(database, limits, say)
        self._database = self._watch.database
        self._recipients = list(recipients)
        self._advance = advance
        self._encoding = database.encoding()
        self._scanner = Scanner(self._encoding)
        self._facts: CatalogFacts | None = None
        self._fingerprint: Fingerprint | None = None

    def blocks(self) -> Blocks:
        """What is to be stored. Raises BackupFailed, here in the stream, unless pg_dump wrote a whole dump."""
        with snapshot(self._database) as shared, self._program(f"--snapshot={shared.name}") as program:
            blocks = prefetch(self._packed(shared.released(program.blocks(self._watch.on_silence))))
            try:
                yield from self.digest.watch(encrypted(blocks, self._recipients) if self._recipients else blocks)
            except BackupFailed as error:
                raise self._watch.explain(error) from error
            self.warnings = (*program.said, *warnings_of(shared.facts))
        self._fingerprint, self._facts = self._scanner.finish(), shared.facts
        if undefined := self._scanner.undefined:
            raise BackupFailed(
                f"The dump lists objects without their definitions: {', '.join(undefined[:_NAMED])}. They were dropped"
                " while pg_dump ran.",
                next_step="Run the backup again, when no objects are dropped.",
            )

    @property
    def plain_bytes(self) -> int:
        """The size of the SQL."""
        return self._scanner.bytes

    @property
    def fingerprint(self) -> Fingerprint:
        """What the dump holds. Raises BackupFailed when it was not read to its end."""
        if self._fingerprint is None:
            raise BackupFailed("The dump was not read to its end.")
        return self._fingerprint

    @property
    def facts(self) -> CatalogFacts:
        """What the catalog said in the snapshot of the dump. Raises BackupFailed when it was not read to its end."""
        if self._facts is None:
            raise BackupFailed("The dump was not read to its end.")
        return self._facts

    @abstractmethod
    def _program(self, *options: str) -> Program:
        """The running pg_dump."""

    @abstractmethod
    def _packed(self, dumped: Iterable[bytes]) -> Iterable[bytes]:
        """What it writes, compressed, all of it seen by the scanner."""


class PlainDump(Dump):
    """SQL in gzip: `aws s3 cp s3://... - | gunzip | psql` restores it."""

    def _program(self, *options: str) -> Program:
        return pg_dump(self._database, self._encoding, *self._watch.options, *options)

    def _packed(self, dumped: Iterable[bytes]) -> Iterable[bytes]:
        return compressed(prefetch(self._scanner.watch(report_progress(dumped, self._advance))))


class CustomDump(Dump):
    """PostgreSQL's own archive: `pg_restore` takes single tables out of it.

    Each is read by a pg_restore while it is made, which proves that it can be, and whose SQL gives the fingerprint.
    """

    def _program(self, *options: str) -> Program:
        archive = ("--format=custom", f"--compress={_ZLIB_LEVEL}")
        return pg_dump(self._database, self._encoding, *self._watch.options, *archive, *options)

    def _packed(self, dumped: Iterable[bytes]) -> Iterable[bytes]:
        command: list[str | Path] = [self._database.program("pg_restore"), "--file=-"]
        environment = self._database.connection.environment()
        with (
            Program(command, environment, BackupFailed, reads=True, writes=True) as reader,
            ThreadPoolExecutor(1, thread_name_prefix="scan") as scanner,
        ):
            sql = self._scanner.watch(report_progress(reader.blocks(), self._advance))
            scanned = scanner.submit(lambda: deque(sql, maxlen=0))
            try:
                for block in dumped:
                    reader.feed(block)
                    yield block
            finally:
                reader.end_input()
            scanned.result()


DUMPS: dict[Format, type[Dump]] = {"plain": PlainDump, "custom": CustomDump}


def pg_dump(database: Database, encoding: str, *options: str) -> Program:
    """A running pg_dump that writes to a pipe. The database's name and password travel in its environment.

    Without a conversion nothing is refused: not every text of every encoding has an equivalent in UTF-8.
    """
    command: list[str | Path] = [
        database.program("pg_dump"),
        f"--dbname={database.connection.conninfo()}",
        "--no-password",
        f"--encoding={encoding}",
        *options,
    ]
    return Program(command, database.connection.environment(*_WRITTEN), BackupFailed, writes=True)


def fingerprint(
    database: Database,
    advance: Advance = lambda _: None,
    *,
    like: Fingerprint | None = None,
    unordered: Collection[str] = (),
) -> Fingerprint:
    """The fingerprint of a database as it is now; columns in the order of another, `like` which it should be.

    The rows of the tables that `unordered` names are hashed in any order. Raises BackupFailed when it cannot be dumped.
    """
    encoding = database.encoding()
    if like is not None:
        encoding = like.encoding or (_ANY_BYTES if encoding == _ANY_BYTES else "UTF8")
    scanner = Scanner(encoding, columns=like.columns if like else None, unordered=unordered)
    watch = DumpWatch(database)
    with pg_dump(watch.database, encoding, *watch.options) as program:
        for block in scanner.watch(program.blocks(watch.on_silence)):
            advance(len(block))
    return scanner.finish()
