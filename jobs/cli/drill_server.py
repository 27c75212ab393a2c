"""The server that a drill restores on: a throw-away server, or the one that DRILL_HOST names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.cli.context import Run
    from services.backups.catalog import Backup
    from services.backups.encryption import AgeIdentity
    from services.backups.manifest import ServerKind
    from services.errors import ShorelineError
    from services.local.installed import ServerPrograms
    from services.postgres.client import Database

# libpq variables that would lead to the server of PGHOST, or demand what only that server has.
_ADDRESSES = ("PGHOSTADDR", "PGSERVICE", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS")
_CHOICES_OF_SERVER = {"target_session_attrs", "load_balance_hosts"}
_DEMANDS = ("PGREQUIREAUTH", "PGCHANNELBINDING", "PGSSLMODE", "PGREQUIRESSL", "PGGSSENCMODE", "PGREQUIREPEER")
_KINDS = {
    "throwaway": "throw-away server",
    "source": "the server that was backed up",
    "other": "the server of DRILL_HOST",
}


def where(server_version: str | None, kind: ServerKind | None) -> str:
    """Return where a drill restored, as the end of a sentence; nothing for a record that does not say so."""
    return "" if kind is None else f" on PostgreSQL {server_version}, {_KINDS[kind]}"


@dataclass(frozen=True)
class DrillServer:
    """A server for a drill."""

    database: Database  # need not exist: the scratch database is created beside it
    kind: ServerKind
    server_fault: Callable[[ShorelineError], ShorelineError | None]  # the error to raise when the server is at fault
    create_roles: bool = False


@contextmanager
def drill_server(run: Run, backup: Backup, identities: Sequence[AgeIdentity]) -> Iterator[DrillServer]:
    """Start a throw-away server, or use the one that DRILL_HOST names, and warn of whom a drill there trusts."""
    name = f"drill_{backup.manifest.database}"
    if run.settings.drill_host is None:
        _require_no_parts(run)
        with _without(*_ADDRESSES, *_DEMANDS), _throwaway(run, backup, identities, name) as server:
            yield server
        return
    source = run.database_named("postgres")
    with _without(*_ADDRESSES):
        yield _named(run, name, source)


def _require_no_parts(run: Run) -> None:
    from services.errors import SettingsError

    parts = [name for name in ("drill_port", "drill_user", "drill_password") if getattr(run.settings, name) is not None]
    if parts:
        raise SettingsError(
            f"{parts[0].upper()} is set, but DRILL_HOST is not.", next_step="Set DRILL_HOST, or unset the others."
        )


@contextmanager
def _throwaway(run: Run, backup: Backup, identities: Sequence[AgeIdentity], name: str) -> Iterator[DrillServer]:
    from loguru import logger

    from services.backups.provision import provide_server
    from services.errors import ShorelineError, StackError
    from services.local import sandbox
    from services.local.throwaway import NAME_A_SERVER, throwaway_server
    from services.postgres.client import Database

    manifest, traits = backup.manifest, backup.manifest.traits
    programs = _programs(run, backup)
    if not sandbox.confines_network(version := sandbox.sandbox_version()):
        logger.warning(
            "this system does not confine the throw-away server: code in the backup can {}",
            "reach the network" if version else "act as this job's user",
        )
    locales = [each for each in (traits.collate, traits.ctype, traits.lc_monetary) if each]
    with throwaway_server(
        programs,
        Path(tempfile.gettempdir()).absolute(),
        database_bytes=manifest.database_bytes,
        objects=len(manifest.fingerprint.schema),
        locales=locales,
        say=logger.warning,
    ) as server:
        database = Database(server.connection)
        if database.scalar("SHOW data_directory") != str(server.folder / "data"):
            raise StackError("The connection to the throw-away server reached another server.", next_step=NAME_A_SERVER)
        logger.info("started PostgreSQL {} for this drill in {}", programs.version, server.folder)
        provide_server(database, run.storage, backup, identities)
        try:
            yield DrillServer(database.sibling(name), "throwaway", server.lacks, create_roles=True)
        except ShorelineError as error:
            if (reason := server.lacks(error)) is not None:
                raise reason from error
            raise


def _programs(run: Run, backup: Backup) -> ServerPrograms:
    """Return the server programs of the version of pg_dump at the backup, or of the next newer version."""
    from loguru import logger

    from services.errors import StackError
    from services.local.installed import choose_server, installed_servers
    from services.local.throwaway import NAME_A_SERVER

    installed = installed_servers(run.settings.pg_bin)
    wanted = int(backup.manifest.client_version.partition(".")[0])
    chosen = choose_server(installed, wanted)
    if chosen is None:
        versions = ", ".join(f"{programs.version} in {programs.folder}" for programs in installed) or "none"
        raise StackError(
            f"A drill on a throw-away server needs server programs of PostgreSQL {wanted} or newer; found: {versions}.",
            next_step=f"Install them (Debian: postgresql-{wanted}), or set PG_BIN to their folder. Or {NAME_A_SERVER}",
        )
    if chosen.version.major != int(backup.manifest.server_version.partition(".")[0]):
        logger.warning(
            "the backup is of PostgreSQL {}, the throw-away server is {}: rows, contents and sequences are compared, "
            "the text of the schema is not",
            backup.manifest.server_version,
            chosen.version,
        )
    return chosen


def named_server(run: Run, name: str) -> Database:
    """Return a database of the server that DRILL_HOST names. What leads to PGHOST's server does not count for it."""
    from services.postgres.client import Database

    settings = run.settings
    password = settings.drill_password or settings.pgpassword
    source = run.database_named(name).connection
    keywords = tuple((word, value) for word, value in source.libpq if word not in _CHOICES_OF_SERVER)
    return Database(
        replace(
            source,
            host=settings.drill_host or "",
            hostaddr=None,
            port=settings.drill_port or settings.pgport,
            user=settings.drill_user or settings.pguser,
            password=password.get_secret_value() if password else None,
            libpq=keywords,
        )
    )


def _named(run: Run, name: str, source: Database) -> DrillServer:
    from loguru import logger

    database = named_server(run, name)
    connection = database.connection
    kind: ServerKind = "source" if is_same(database, source) else "other"
    if kind == "source" and is_superuser(database):
        logger.warning(
            "this drill runs the backup's code as superuser {} on the server that was backed up: it trusts every owner "
            "of a table there. Unset DRILL_HOST to drill on a throw-away server",
            connection.user,
        )
    return DrillServer(database, kind, lambda _: None)


def is_same(database: Database, source: Database) -> bool:
    """Whether both lead to one running server, whatever it is called."""
    from services.errors import ShorelineError
    from services.postgres.client import MAINTENANCE

    if (database.connection.host, database.connection.port) == (source.connection.host, source.connection.port):
        return True
    started = "SELECT pg_postmaster_start_time()"
    drill_start = database.sibling(MAINTENANCE).scalar(started)
    try:
        return bool(drill_start == source.scalar(started))
    except ShorelineError:  # a server that cannot be reached is another one
        return False


def is_superuser(database: Database) -> bool:
    """Return whether the connection's role is a superuser of the server."""
    from services.postgres.client import MAINTENANCE

    return bool(database.sibling(MAINTENANCE).scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Remove variables from the environment of this process, and so of the programs that it starts."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
