"""Facts from the catalog that pg_dump does not write: read in the snapshot of the dump, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from services.backups.fingerprint import codec
from services.backups.manifest import CatalogFacts, Extension
from services.errors import DatabaseError
from services.postgres.client import Database

_FIRST_USER_OID = 16384  # PostgreSQL's FirstNormalObjectId: objects with a smaller OID came with the server
# Names travel as bytes: a database of SQL_ASCII may hold some that are not text.
_RELATION = "pg_catalog.convert_to(nspname || '.' || relname, pg_catalog.getdatabaseencoding())"
_NOT_OF_AN_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
    " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
_EXTENSIONS = f"""
SELECT extname, extversion, pg_catalog.pg_get_userbyid(extowner)
FROM pg_catalog.pg_extension WHERE oid >= {_FIRST_USER_OID}
"""  # noqa: S608  # our own number
_ACCESS_METHODS = f"""
SELECT {_RELATION}, amname
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
JOIN pg_catalog.pg_am a ON a.oid = relam
WHERE relkind IN ('r', 'm', 'p') AND amname <> 'heap' AND c.oid >= {_FIRST_USER_OID} AND {_NOT_OF_AN_EXTENSION}
"""  # noqa: S608  # our own words
_FOREIGN_KEYS = f"""
SELECT {_RELATION}, pg_catalog.convert_to(conname, pg_catalog.getdatabaseencoding()), proname, tgenabled
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_constraint k ON k.oid = tgconstraint
JOIN pg_catalog.pg_proc p ON p.oid = tgfoid
JOIN pg_catalog.pg_class c ON c.oid = tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE tgisinternal AND tgenabled <> 'O'
"""  # noqa: S608  # our own words
_UNLOGGED_ON_A_STANDBY = f"""
SELECT {_RELATION}
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE pg_catalog.pg_is_in_recovery() AND relpersistence = 'u' AND relkind IN ('r', 'S') AND {_NOT_OF_AN_EXTENSION}
ORDER BY 1
"""  # noqa: S608  # our own words
_ENABLED = {"O": "enabled", "D": "disabled", "R": "enabled on replicas only", "A": "always enabled"}


@dataclass(frozen=True)
class DumpSnapshot:
    """A snapshot that pg_dump can share.

    `released` ends the transaction that exported it, as soon as the first block shows that pg_dump uses the snapshot.
    """

    name: str  # for pg_dump --snapshot
    facts: CatalogFacts  # read in the snapshot
    released: Callable[[Iterable[bytes]], Iterator[bytes]]


@contextmanager
def snapshot(database: Database) -> Iterator[DumpSnapshot]:
    """Export a snapshot of the database, and read the facts in it."""
    with ExitStack() as stack:
        connection = stack.enter_context(database.connect())

        def released(blocks: Iterable[bytes]) -> Iterator[bytes]:
            for block in blocks:
                with suppress(DatabaseError):  # pg_dump holds the snapshot, so this connection may be lost
                    stack.close()
                yield block

        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # pg_dump may wait for a lock
            cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
            (name,) = cursor.fetchone()
            facts = read_facts(cursor)
        yield DumpSnapshot(name, facts, released)


def read_facts(cursor: Any) -> CatalogFacts:
    """Return the facts about the database that the cursor is connected to."""
    cursor.execute("SELECT pg_catalog.getdatabaseencoding()")
    encoding = codec(cursor.fetchone()[0])

    def rows(query: str) -> Iterator[tuple[str, ...]]:
        cursor.execute(query)
        for row in cursor.fetchall():
            yield tuple(value if isinstance(value, str) else _text(value, encoding) for value in row)

    return CatalogFacts(
        extensions={name: Extension(version, owner) for name, version, owner in rows(_EXTENSIONS)},
        access_methods=dict(rows(_ACCESS_METHODS)),  # type: ignore[arg-type]  # two columns
        foreign_keys={f"{key} of {table} ({function})": state for table, key, function, state in rows(_FOREIGN_KEYS)},
        left_out=tuple(name for (name,) in rows(_UNLOGGED_ON_A_STANDBY)),
    )


def _text(value: Any, encoding: str) -> str:
    return bytes(value).decode(encoding, errors="backslashreplace")


def facts_of(database: Database) -> CatalogFacts:
    """Return the facts about a database as it is now."""
    with database.connect() as connection, connection.cursor() as cursor:
        return read_facts(cursor)


def warnings_of(facts: CatalogFacts) -> tuple[str, ...]:
    """Return the warnings for a backup with these facts."""
    return tuple(
        f"{name} is unlogged and empty on a standby: its rows are not in the backup" for name in facts.left_out
    )


@dataclass(frozen=True)
class Comparison:
    """How a copy differs from the facts of a backup."""

    differences: tuple[str, ...]
    notes: tuple[str, ...]  # on differences that every restore causes


def compare_facts(expected: CatalogFacts, copy: Database) -> Comparison:
    """Compare a restored copy with the facts in a backup's manifest.

    pg_dump does not write an extension's version and owner, nor the state of a foreign key's triggers. A restore
    installs the default version of the server, owned by the restoring role, and enables the triggers. These differences
    are notes.
    """
    with copy.connect() as connection, connection.cursor() as cursor:
        found = read_facts(cursor)
        cursor.execute("SELECT name, default_version FROM pg_catalog.pg_available_extensions")
        defaults = dict(cursor.fetchall())
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = current_user OR oid = 10")
        restorers = {role for (role,) in cursor.fetchall()}
    differences: list[str] = []
    notes: list[str] = []
    for name in sorted(expected.extensions.keys() & found.extensions.keys()):
        before, after = expected.extensions[name], found.extensions[name]
        if before.version != after.version:
            as_restored = after.version == defaults.get(name)
            why = ", this server's default: pg_dump does not record the version" if as_restored else ""
            (notes if as_restored else differences).append(
                f"extension {name}: version {before.version} became {after.version}{why}"
            )
        if before.owner != after.owner:
            as_restored = after.owner in restorers
            why = ", which restored it: pg_dump does not record the owner" if as_restored else ""
            (notes if as_restored else differences).append(
                f"extension {name}: owner {before.owner} became {after.owner}{why}"
            )
    for name in sorted(expected.access_methods.keys() | found.access_methods.keys()):
        method, other = expected.access_methods.get(name, "heap"), found.access_methods.get(name, "heap")
        if method != other:
            differences.append(f"table {name}: access method {method} became {other}")
    for name in sorted(expected.foreign_keys.keys() | found.foreign_keys.keys()):
        state, now = expected.foreign_keys.get(name, "O"), found.foreign_keys.get(name, "O")
        if state != now:
            why = ": pg_dump does not record it" if now == "O" else ""
            (differences if now != "O" else notes).append(
                f"trigger of foreign key {name}: {_ENABLED.get(state, state)} became {_ENABLED.get(now, now)}{why}"
            )
    return Comparison(tuple(differences), tuple(notes))
