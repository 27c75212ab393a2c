"""Prepares a throw-away server for a restore: creates roles and tablespaces, and checks the backup's extensions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg2
from psycopg2 import sql

from services.backups.catalog import Backup
from services.backups.download import download
from services.backups.encryption import AgeIdentity, decrypted
from services.backups.stream import decompressed
from services.errors import StackError
from services.local.throwaway import NAME_A_SERVER
from services.postgres.client import Database
from services.s3.objects import Storage

# Statements of pg_dumpall, a line each. The grantor of a membership is removed, because it may lack the right here.
_ROLE = re.compile(r"(?:CREATE ROLE |ALTER ROLE (?:\"(?:[^\"]|\"\")+\"|\S+) WITH ).+;")
_MEMBER = re.compile(r"(GRANT .+ TO .+?)(?: GRANTED BY .+)?;")
_TABLESPACE = re.compile(r"(CREATE TABLESPACE .+ LOCATION ).+;")
_EXTENSION = "EXTENSION "


def provide_server(server: Database, storage: Storage, backup: Backup, identities: Sequence[AgeIdentity]) -> None:
    """Create the roles and tablespaces that the backup's globals name, and check that its extensions can be created.

    Without globals, the roles that the manifest names become superusers, because their rights are unknown.
    Raises StackError for an extension that this server lacks.
    """
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        with suppress(psycopg2.Error):  # older servers lack this setting
            cursor.execute("SET allow_in_place_tablespaces = on")
        for statement in _statements(storage, backup, identities):
            with suppress(psycopg2.Error):  # a role that exists, such as the superuser of this server
                cursor.execute(statement)
        _create_roles(cursor, backup)
    _try_extensions(server, backup)


def _statements(storage: Storage, backup: Backup, identities: Sequence[AgeIdentity]) -> Iterator[str]:
    file = backup.manifest.globals
    if file is None:
        return
    key = f"{backup.key.rpartition('/')[0]}/{file.name}"
    blocks: Iterator[bytes] = download(storage, key, file.bytes)
    if backup.manifest.encrypted:
        blocks = iter(decrypted(blocks, list(identities)))
    text = b"".join(decompressed(blocks)).decode("utf-8", errors="replace")
    for line in text.splitlines():
        if _ROLE.fullmatch(line) and not line.startswith("ALTER ROLE postgres "):
            yield line
        elif found := _MEMBER.fullmatch(line):
            yield found[1]
        elif found := _TABLESPACE.fullmatch(line):
            yield f"{found[1]}''"  # in the data folder of the server


def _create_roles(cursor: Any, backup: Backup) -> None:
    superuser = sql.SQL("SUPERUSER") if backup.manifest.globals is None else sql.SQL("NOSUPERUSER")
    for role in backup.manifest.traits.roles:
        with suppress(psycopg2.Error):  # the role exists
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN ").format(sql.Identifier(role)) + superuser)


def _try_extensions(server: Database, backup: Backup) -> None:
    """Create each extension in a transaction that is rolled back. Raises StackError for one that fails."""
    names = [
        name.removeprefix(_EXTENSION) for name in backup.manifest.fingerprint.schema if name.startswith(_EXTENSION)
    ]
    with server.connect() as connection, connection.cursor() as cursor:
        for name in names:
            try:
                cursor.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(name)))
            except psycopg2.Error as error:
                reason = str(error).strip().splitlines()[0]
                raise StackError(
                    f"The throw-away server cannot create the extension {name}: {reason}",
                    next_step=f"Install its package beside the server programs. Or {NAME_A_SERVER}",
                ) from error
        connection.rollback()
