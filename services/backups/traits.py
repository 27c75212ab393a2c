"""What pg_dump leaves out of a dump and a restored database needs: its locale, its owner, its own settings."""

from __future__ import annotations

from psycopg2 import sql

from services.backups.manifest import DatabaseTraits
from services.database import Database

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


def traits_of(database: Database) -> DatabaseTraits:
    """The database's traits, from the catalog."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), to_jsonb(d) ->> 'datlocprovider', datcollate, datctype,"
            " coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), pg_get_userbyid(datdba)"
            " FROM pg_database d WHERE datname = current_database()"
        )
        encoding, provider, collate, ctype, locale, owner = cursor.fetchone()
        cursor.execute(
            "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
            " WHERE datname = current_database() AND setrole = 0"
        )
        settings = tuple(row[0] for row in cursor.fetchall())
    return DatabaseTraits(encoding, _PROVIDERS.get(provider or "c", "libc"), collate, ctype, locale, owner, settings)


def create_like(database: Database, traits: DatabaseTraits) -> None:
    """Makes the database, empty, with the encoding and locale of the one that was backed up."""
    clauses = sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        *map(sql.Literal, (traits.encoding, traits.collate, traits.ctype))
    )
    if traits.locale_provider != "libc" and traits.locale:
        keyword = "ICU_LOCALE" if traits.locale_provider == "icu" else "BUILTIN_LOCALE"
        clauses += sql.SQL(f" LOCALE_PROVIDER {traits.locale_provider} {keyword} {{}}").format(
            sql.Literal(traits.locale)
        )
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ").format(sql.Identifier(database.name)) + clauses
    with database.sibling("postgres").connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
