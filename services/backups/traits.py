"""Properties of a database that pg_dump leaves out: locale, owner, settings, grants and roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
from psycopg2 import errorcodes, sql

from services.backups.configuration import RefusedSetting, apply_settings
from services.backups.manifest import DatabaseGrant, DatabaseTraits, LocaleProvider, Privilege, RoleSetting
from services.errors import DatabaseError, RestoreFailed
from services.postgres.client import Database

_FIRST_WITH_PROVIDERS = 15_00_00  # PostgreSQL 15. Source: CREATE DATABASE, LOCALE_PROVIDER
_FIRST_WITH_ICU_RULES = 16_00_00  # Source: CREATE DATABASE, ICU_RULES
_FIRST_WITH_BUILTIN = 17_00_00  # Source: CREATE DATABASE, BUILTIN_LOCALE
_PROVIDERS: dict[str, LocaleProvider] = {"c": "libc", "i": "icu", "b": "builtin"}
_PROVIDER_CLAUSES: dict[LocaleProvider, sql.SQL] = {
    "libc": sql.SQL(" LOCALE_PROVIDER libc"),
    "icu": sql.SQL(" LOCALE_PROVIDER icu"),
    "builtin": sql.SQL(" LOCALE_PROVIDER builtin"),
}
_LOCALE_CLAUSES: dict[LocaleProvider, sql.SQL] = {
    "icu": sql.SQL(" ICU_LOCALE {}"),
    "builtin": sql.SQL(" BUILTIN_LOCALE {}"),
}
_PRIVILEGES: dict[Privilege, sql.SQL] = {
    "CONNECT": sql.SQL("CONNECT"),
    "CREATE": sql.SQL("CREATE"),
    "TEMPORARY": sql.SQL("TEMPORARY"),
}
_DATABASE = """
SELECT pg_encoding_to_char(encoding), to_jsonb(d) ->> 'datlocprovider', datcollate, datctype,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
       pg_get_userbyid(datdba), shobj_description(oid, 'pg_database'), greatest(datconnlimit, -1),
       to_jsonb(d) ->> 'daticurules',
       (SELECT nullif(spcname, 'pg_default') FROM pg_tablespace t WHERE t.oid = dattablespace),
       CASE WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid >= 16384 AND atttypid = ANY (money))
              OR EXISTS (SELECT FROM pg_type WHERE typbasetype = ANY (money))
            THEN current_setting('lc_monetary') END
FROM pg_database d, (SELECT ARRAY['money', 'money[]']::regtype[]::oid[]) AS of_type(money)
WHERE datname = %(name)s
"""
_SETTINGS = """
SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = %(name)s AND setrole = 0
"""
# pg_dumpall --globals-only leaves them out: they belong to the database. Source: ALTER ROLE ... IN DATABASE ... SET.
_ROLE_SETTINGS = """
SELECT pg_get_userbyid(setrole), unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = %(name)s AND setrole <> 0 ORDER BY 1
"""
_GRANTS = """
SELECT CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable
FROM pg_database d, aclexplode(datacl) WHERE datname = %(name)s ORDER BY 1, 2
"""
# pg_shdepend does not hold the bootstrap superuser, OID 10, so its objects are searched for.
_ROLES = """
WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
made AS (
    SELECT 'pg_class'::regclass AS catalog, oid, relowner AS owner FROM pg_class UNION ALL
    SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc UNION ALL
    SELECT 'pg_type'::regclass, oid, typowner FROM pg_type UNION ALL
    SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace
)
SELECT rolname FROM pg_roles r
WHERE EXISTS (
        SELECT FROM pg_shdepend, here WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid
        AND (dbid = here.oid OR (classid = 'pg_database'::regclass AND objid = here.oid)))
   OR EXISTS (SELECT FROM pg_db_role_setting, here WHERE setdatabase = here.oid AND setrole = r.oid)
   OR EXISTS (SELECT FROM here WHERE datdba = r.oid)
   OR (r.oid = 10 AND EXISTS (
        SELECT FROM made WHERE owner = 10 AND oid >= 16384
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = catalog AND objid = made.oid AND deptype = 'e')))
ORDER BY 1
"""


def traits_of(database: Database) -> DatabaseTraits:
    """Return the traits of a database, from its own catalog."""
    with database.connect() as connection, connection.cursor() as cursor:
        traits = read_shared(cursor, database.name)
        cursor.execute(_ROLES)
        return replace(traits, roles=tuple(row[0] for row in cursor.fetchall()))


def read_shared(cursor: Any, name: str) -> DatabaseTraits:
    """Return the traits in the shared catalogs; `lc_monetary` is that of the connected database, `roles` are empty."""

    def rows(query: str) -> list[Any]:
        cursor.execute(query, {"name": name})
        return list(cursor.fetchall())

    encoding, provider, collate, ctype, locale, owner, comment, limit, *more = rows(_DATABASE)[0]
    icu_rules, tablespace, lc_monetary = more
    return DatabaseTraits(
        encoding=encoding,
        locale_provider=_PROVIDERS.get(provider or "c", "libc"),
        collate=collate,
        ctype=ctype,
        locale=locale,
        owner=owner,
        comment=comment,
        settings=tuple(row[0] for row in rows(_SETTINGS)),
        grants=unless_default(tuple(DatabaseGrant(*row) for row in rows(_GRANTS)), owner),
        role_settings=tuple(RoleSetting(*row) for row in rows(_ROLE_SETTINGS)),
        connection_limit=limit,
        icu_rules=icu_rules,
        tablespace=tablespace,
        lc_monetary=lc_monetary,
    )


def unless_default(grants: tuple[DatabaseGrant, ...] | None, owner: str | None) -> tuple[DatabaseGrant, ...] | None:
    """Return the grants, or None when a new database has the same. Source: PostgreSQL, acldefault."""
    default = {DatabaseGrant(owner, privilege) for privilege in _PRIVILEGES}
    default |= {DatabaseGrant(None, "CONNECT"), DatabaseGrant(None, "TEMPORARY")}
    return None if not grants or set(grants) == default else grants


def create_like(cursor: Any, name: str, traits: DatabaseTraits, *, closed: bool = False) -> None:
    """Create the empty database `name` with the encoding, locale and tablespace of the one that was backed up.

    A tablespace that the server lacks is left out. A `closed` database accepts no connections. Raises DatabaseError.
    """
    _require_features(cursor, traits)
    clauses = sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        *map(sql.Literal, (traits.encoding, traits.collate, traits.ctype))
    )
    if cursor.connection.server_version >= _FIRST_WITH_PROVIDERS:  # otherwise template0's provider is used
        clauses += _PROVIDER_CLAUSES[traits.locale_provider]
    if traits.locale_provider != "libc" and traits.locale:
        clauses += _LOCALE_CLAUSES[traits.locale_provider].format(sql.Literal(traits.locale))
    if traits.icu_rules:
        clauses += sql.SQL(" ICU_RULES {}").format(sql.Literal(traits.icu_rules))
    if traits.tablespace and not lacks_tablespace(cursor, traits):
        clauses += sql.SQL(" TABLESPACE {}").format(sql.Identifier(traits.tablespace))
    if closed:
        clauses += sql.SQL(" ALLOW_CONNECTIONS false CONNECTION LIMIT 0")
    try:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ").format(sql.Identifier(name)) + clauses)
    except psycopg2.Error as error:
        raise _not_created(cursor, error) from error


def _require_features(cursor: Any, traits: DatabaseTraits) -> None:
    """Raise DatabaseError when the server is too old for the database's locale."""
    needed = {"libc": 0, "icu": _FIRST_WITH_PROVIDERS, "builtin": _FIRST_WITH_BUILTIN}[traits.locale_provider]
    if traits.icu_rules:
        needed = max(needed, _FIRST_WITH_ICU_RULES)
    version = cursor.connection.server_version
    if version < needed:
        raise DatabaseError(
            f"The backup's locale ({traits.locale_provider}, {traits.locale}) needs PostgreSQL {needed // 10000} or"
            f" newer, and the server is PostgreSQL {version // 10000}.",
            next_step=f"Set PGHOST and PGPORT to a server of PostgreSQL {needed // 10000} or newer.",
        )


def _not_created(cursor: Any, error: psycopg2.Error) -> DatabaseError:
    user = cursor.connection.info.user
    steps = {
        errorcodes.READ_ONLY_SQL_TRANSACTION: "Set PGHOST to the primary when the server is a standby; otherwise"
        f' `ALTER ROLE "{user}" SET default_transaction_read_only = off` lets its sessions write.',
        errorcodes.INSUFFICIENT_PRIVILEGE: f'Run `ALTER ROLE "{user}" CREATEDB` as a superuser,'
        " or set PGUSER to a role that may create databases.",
        errorcodes.WRONG_OBJECT_TYPE: "Install the locale on the server's host and restart PostgreSQL,"
        " or set PGHOST to a server that has it: `SELECT collname FROM pg_collation` lists what it has.",
    }
    said = error.diag.message_primary or str(error)
    return DatabaseError(f"PostgreSQL refused to create a database: {said}", next_step=steps.get(error.pgcode or ""))


def apply(cursor: Any, name: str, traits: DatabaseTraits) -> tuple[RefusedSetting, ...]:
    """Give the database the owner, comment, settings, limit and grants of the one that was backed up.

    Within a transaction. Returns the settings that the server refused.
    """
    database = sql.Identifier(name)
    refused = tuple(apply_settings(cursor, database, traits.settings, traits.role_settings))
    for statement in _statements(database, traits):
        cursor.execute(statement)
    return refused


def _statements(database: sql.Identifier, traits: DatabaseTraits) -> Iterator[sql.Composed]:
    yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(traits.comment))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, sql.Literal(traits.connection_limit))
    if traits.grants is None:  # PUBLIC has no rights in a scratch database
        yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC").format(database)
    if traits.owner:  # after the statements above, which only the owner may execute
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(traits.owner))
    if traits.grants is not None:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
        yield from _revoked_from_owner(database, traits.owner, traits.grants)
    for grant in traits.grants or ():
        role = sql.Identifier(grant.role) if grant.role else sql.SQL("PUBLIC")
        option = sql.SQL(" WITH GRANT OPTION") if grant.grantable else sql.SQL("")
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}").format(_PRIVILEGES[grant.privilege], database, role) + option


def _revoked_from_owner(
    database: sql.Identifier, owner: str | None, grants: tuple[DatabaseGrant, ...]
) -> Iterator[sql.Composed]:
    """Revoke from the owner what it has in a new database, but did not have in the original."""
    kept = {grant.privilege for grant in grants if grant.role == owner}
    if owner is not None:
        for privilege, word in _PRIVILEGES.items():
            if privilege not in kept:
                yield sql.SQL("REVOKE {} ON DATABASE {} FROM {}").format(word, database, sql.Identifier(owner))


def lacks_tablespace(cursor: Any, traits: DatabaseTraits) -> bool:
    """Return whether the database was in a tablespace that this server lacks."""
    if traits.tablespace is None:
        return False
    cursor.execute("SELECT FROM pg_tablespace WHERE spcname = %s", (traits.tablespace,))
    return cursor.fetchone() is None


def provide_roles(cursor: Any, traits: DatabaseTraits, *, create: bool) -> None:
    """Create the missing roles that the backup names, without login, if `create`; otherwise raise RestoreFailed."""
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(traits.roles),))
    missing = sorted(set(traits.roles) - {row[0] for row in cursor.fetchall()})
    if missing and not create:
        raise RestoreFailed(
            f"The server lacks roles that the backup names: {', '.join(missing)}.",
            next_step="Load the globals beside the backup first, or pass --create-roles for roles that cannot log in.",
        )
    for role in missing:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
