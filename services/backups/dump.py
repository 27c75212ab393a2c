"""A database as a stream: dumped, fingerprinted, compressed, counted. In constant memory, with no file in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.backups.fingerprint import Fingerprint
from services.backups.programs import Program
from services.backups.scanner import Scanner
from services.backups.streams import Blocks, Digest, ahead, compressed, told
from services.database import Database
from services.errors import BackupFailed


def pg_dump(database: Database, *options: str) -> Program:
    """A running pg_dump that writes to a pipe. The database's name and password travel in its environment."""
    command: list[str | Path] = [database.program("pg_dump"), "--no-password", "--encoding=UTF8", *options]
    env = database.connection.environment() | {"PGOPTIONS": "-c standard_conforming_strings=on"}
    return Program(command, env, BackupFailed, writes=True)


class PlainDump:
    """The database as SQL, in gzip: `aws s3 cp s3://... - | gunzip | psql` restores it.

    `digest`, `fingerprint` and `plain_bytes` are whole once all of `blocks` was taken.
    """

    def __init__(self, database: Database, advance: Callable[[int], None] = lambda _: None) -> None:
        self._database = database
        self._advance = advance
        self._scanner = Scanner()
        self._fingerprint: Fingerprint | None = None
        self.digest = Digest()

    def blocks(self) -> Blocks:
        """What is to be stored. Raises BackupFailed, here in the stream, unless pg_dump wrote a whole dump."""
        with pg_dump(self._database) as program:
            plain = self._scanner.watch(told(program.blocks(), self._advance))
            yield from self.digest.watch(ahead(compressed(ahead(plain))))
        self._fingerprint = self._scanner.finish()

    @property
    def plain_bytes(self) -> int:
        """The size of the SQL."""
        return self._scanner.bytes

    @property
    def fingerprint(self) -> Fingerprint:
        """What the dump holds."""
        if self._fingerprint is None:
            raise BackupFailed("The dump was not read to its end.")
        return self._fingerprint


def fingerprint(database: Database, advance: Callable[[int], None] = lambda _: None) -> Fingerprint:
    """The fingerprint of a database as it is now. Raises BackupFailed when it cannot be dumped."""
    scanner = Scanner()
    with pg_dump(database) as program:
        for block in scanner.watch(program.blocks()):
            advance(len(block))
    return scanner.finish()
