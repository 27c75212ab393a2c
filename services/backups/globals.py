"""What belongs to the server and not to one database: roles and tablespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from services.errors import BackupFailed
from services.postgres.client import Database
from services.postgres.process import Program

GlobalsPolicy = Literal["full", "no-passwords", "none"]
_TRAILER = b"-- PostgreSQL database cluster dump complete"


_NO_PASSWORDS = (
    "Roles' passwords are readable to superusers only: with BACKUP_GLOBALS=no-passwords they are left out, "
    "with BACKUP_GLOBALS=none all roles and tablespaces are."
)


class GlobalsFailed(BackupFailed):
    """Roles and tablespaces could not be read."""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message, next_step=_NO_PASSWORDS if "permission denied" in message else next_step)


def dump_globals(database: Database, *, passwords: bool) -> Iterator[bytes]:
    """Roles and tablespaces as SQL. Raises GlobalsFailed, here in the stream, unless it is whole."""
    options = ["--globals-only", "--no-password", *([] if passwords else ["--no-role-passwords"])]
    where = f"--dbname={database.connection.conninfo()}"
    command: list[str | Path] = [database.program("pg_dumpall"), where, *options]
    tail = b""
    with Program(command, database.connection.environment(), GlobalsFailed, writes=True) as program:
        for block in program.blocks():
            tail = (tail + block)[-1000:]
            yield block
    if _TRAILER not in tail:
        raise GlobalsFailed("The dump of roles and tablespaces has no end.")
