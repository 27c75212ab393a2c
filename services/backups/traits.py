"""What pg_dump leaves out of a dump and a restored database needs: its locale, owner, settings, grants and roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege

from services.backups.manifest import DatabaseTraits, Grant, RoleSetting
from services.database import Database
from services.errors import RestoreFailed

_FIRST_WITH_PROVIDERS = 15_00_00  # PostgreSQL 15. Source: CREATE DATABASE, LOCALE_PROVIDER
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
# Settings whose value is a list, which SQL writes without quotes around it. Source: PostgreSQL, GUC_LIST_QUOTE.
_LISTS = {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}
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
WHERE datname = current_database()
"""
_SETTINGS = """
SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = current_database() AND setrole = 0
"""
# pg_dumpall --globals-only leaves them out: they belong to the database. Source: ALTER ROLE ... IN DATABASE ... SET.
_ROLE_SETTINGS = """
SELECT pg_get_userbyid(setrole), unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
WHERE datname = current_database() AND setrole <> 0 ORDER BY 1
"""
_GRANTS = """
SELECT CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable
FROM pg_database d, aclexplode(datacl) WHERE datname = current_database() ORDER BY 1, 2
"""
# The superuser that the server was made with, number 10, is no dependency of anything: what it owns is looked at.
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
    """The database's traits, from the catalog."""
    with database.connect() as connection, connection.cursor() as cursor:

        def rows(query: str) -> list[Any]:
            cursor.execute(query)
            return list(cursor.fetchall())

        encoding, provider, collate, ctype, locale, owner, comment, limit, *more = rows(_DATABASE)[0]
        icu_rules, tablespace, lc_monetary = more
        grants = tuple(Grant(*row) for row in rows(_GRANTS))
        return DatabaseTraits(
            encoding=encoding,
            locale_provider=_PROVIDERS.get(provider or "c", "libc"),
            collate=collate,
            ctype=ctype,
            locale=locale,
            owner=owner,
            comment=comment,
            settings=tuple(row[0] for row in rows(_SETTINGS)),
            grants=grants or None,
            roles=tuple(row[0] for row in rows(_ROLES)),
            role_settings=tuple(RoleSetting(*row) for row in rows(_ROLE_SETTINGS)),
            connection_limit=limit,
            icu_rules=icu_rules,
            tablespace=tablespace,
            lc_monetary=lc_monetary,
        )


def create_like(cursor: Any, name: str, traits: DatabaseTraits, *, closed: bool = False) -> None:
    """Makes the database `name`, empty, with the encoding and locale of the one that was backed up.

    And in its tablespace, where the server has that. Nobody may connect to a `closed` one.
    """
    clauses = sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        *map(sql.Literal, (traits.encoding, traits.collate, traits.ctype))
    )
    if cursor.connection.server_version >= _FIRST_WITH_PROVIDERS:  # else template0's own would count
        clauses += sql.SQL(f" LOCALE_PROVIDER {traits.locale_provider}")
    if traits.locale_provider != "libc" and traits.locale:
        keyword = "ICU_LOCALE" if traits.locale_provider == "icu" else "BUILTIN_LOCALE"
        clauses += sql.SQL(f" {keyword} {{}}").format(sql.Literal(traits.locale))
    if traits.icu_rules:
        clauses += sql.SQL(" ICU_RULES {}").format(sql.Literal(traits.icu_rules))
    if traits.tablespace and not lacks_tablespace(cursor, traits):
        clauses += sql.SQL(" TABLESPACE {}").format(sql.Identifier(traits.tablespace))
    if closed:
        clauses += sql.SQL(" ALLOW_CONNECTIONS false CONNECTION LIMIT 0")
    cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ").format(sql.Identifier(name)) + clauses)


def apply(cursor: Any, name: str, traits: DatabaseTraits) -> tuple[str, ...]:
    """Gives the database the owner, comment, settings, limit and grants of the one that was backed up.

    Within a transaction. Gives the settings of single roles that this user may not set, as 'role: name'.
    """
    database = sql.Identifier(name)
    refused = tuple(_refused(cursor, database, traits.role_settings))
    for statement in _statements(database, traits):
        cursor.execute(statement)
    return refused


def _refused(cursor: Any, database: sql.Identifier, settings: Sequence[RoleSetting]) -> Iterator[str]:
    """Sets what is set for single roles, as far as that is allowed: a restore is worth more than all of them."""
    for each in settings:
        where = sql.SQL("ALTER ROLE {} IN DATABASE {} SET ").format(sql.Identifier(each.role), database)
        cursor.execute("SAVEPOINT setting")
        try:
            cursor.execute(where + _assignment(each.setting))
        except InsufficientPrivilege:
            cursor.execute("ROLLBACK TO SAVEPOINT setting")
            yield f"{each.role}: {each.setting.partition('=')[0]}"


def _statements(database: sql.Identifier, traits: DatabaseTraits) -> Iterator[sql.Composed]:
    yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(traits.comment))
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, sql.Literal(traits.connection_limit))
    for setting in traits.settings:
        yield sql.SQL("ALTER DATABASE {} SET ").format(database) + _assignment(setting)
    if traits.owner:  # not before the rest: a role that may give a database away need not be its owner then
        yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(traits.owner))
    if traits.grants is not None:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
    for grant in traits.grants or ():
        role = sql.Identifier(grant.role) if grant.role else sql.SQL("PUBLIC")
        option = sql.SQL(" WITH GRANT OPTION" if grant.grantable else "")
        privilege = sql.SQL(grant.privilege)
        yield sql.SQL("GRANT {} ON DATABASE {} TO {}").format(privilege, database, role) + option


def _assignment(setting: str) -> sql.Composed:
    name, _, value = setting.partition("=")
    written = sql.SQL(value) if name in _LISTS and value else sql.Literal(value)
    return sql.SQL("{} TO {}").format(sql.Identifier(name), written)


def lacks_tablespace(cursor: Any, traits: DatabaseTraits) -> bool:
    """Whether the database lay in a tablespace that this server has not."""
    if traits.tablespace is None:
        return False
    cursor.execute("SELECT FROM pg_tablespace WHERE spcname = %s", (traits.tablespace,))
    return cursor.fetchone() is None


def provide_roles(cursor: Any, traits: DatabaseTraits, *, create: bool) -> None:
    """Sees to it that the roles exist that the backup names.

    With `create` the missing ones are made, without login. Raises RestoreFailed for missing ones otherwise.
    """
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(traits.roles),))
    missing = sorted(set(traits.roles) - {row[0] for row in cursor.fetchall()})
    if missing and not create:
        raise RestoreFailed(
            f"The server has no role {', '.join(missing)}, which the backup names.",
            next_step="Load the globals beside the backup first, or give --create-roles: they cannot log in then.",
        )
    for role in missing:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
