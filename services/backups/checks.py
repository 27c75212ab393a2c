"""What would stop a dump, as far as the catalog shows it before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.postgres.client import Database

_NAMED = 5  # tables that a message names
# What pg_dump reads or locks: no temporary tables, and of an extension's tables only what it marks as configuration.
_DUMPED = """
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND (NOT EXISTS (SELECT FROM pg_depend d
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))
"""
_UNREADABLE = f"""
SELECT n.nspname || '.' || c.relname {_DUMPED}
  AND NOT (has_schema_privilege(n.oid, 'USAGE')
           AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                    ELSE has_table_privilege(c.oid, 'SELECT') END)
ORDER BY 1
"""  # our own words
_HIDDEN_ROWS = f"SELECT n.nspname || '.' || c.relname {_DUMPED} AND row_security_active(c.oid) ORDER BY 1"
_LOCKS = f"""
SELECT count(*), current_setting('max_locks_per_transaction')::bigint
       * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
{_DUMPED} AND c.relkind <> 'S'
"""


@dataclass(frozen=True)
class DumpProblem:
    """Something that would stop a backup of a database, and what helps."""

    database: str
    problem: str
    next_step: str


def dump_problems(database: Database) -> tuple[DumpProblem, ...]:
    """Return what would stop a backup: tables that may not be read, and more tables than the server has locks."""
    with database.connect() as connection, connection.cursor() as cursor:
        return tuple(DumpProblem(database.name, *found) for found in _problems(cursor, database.connection.user))


def _problems(cursor: Any, user: str) -> Iterator[tuple[str, str]]:
    if unreadable := _names(cursor, _UNREADABLE):
        yield f"{user} may not read {_listed(unreadable)}", f'GRANT pg_read_all_data TO "{user}";'
    if hidden := _names(cursor, _HIDDEN_ROWS):
        yield f"row-level security hides rows of {_listed(hidden)} from {user}", f'ALTER ROLE "{user}" BYPASSRLS;'
    cursor.execute(_LOCKS)
    tables, locks = cursor.fetchone()
    if tables > locks:
        yield (
            f"a dump locks {tables:,} tables at once, and the server has room for {locks:,} locks",
            "Raise max_locks_per_transaction on the server, and restart it.",
        )


def _names(cursor: Any, query: str) -> list[str]:
    cursor.execute(query)
    return [name for (name,) in cursor.fetchall()]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
