"""Settings of a database and of its roles, as the catalog holds them: read, written as SQL, applied one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from services.backups.manifest import RoleSetting

# Settings whose value is a list of quoted names. Source: pg_dump's variable_is_guc_list_quote.
_IDENTIFIER_LISTS = {"search_path", "temp_tablespaces"}
_FILE_LISTS = {
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
}
_LISTS = _IDENTIFIER_LISTS | _FILE_LISTS
_ITEM = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>(?!")[^,\s]+))\s*(?P<next>,|\Z)', re.ASCII)
_CAPITALS = re.compile("[A-Z]+")
_NOT_THE_SETTINGS_FAULT = ("08", "53", "57")  # SQLSTATE classes: connection lost, no resources, operator intervened


@dataclass(frozen=True)
class RefusedSetting:
    """A setting that the server did not take, and why; `role` is None for one of the whole database."""

    role: str | None
    name: str
    reason: str

    def __str__(self) -> str:
        return self.name if self.role is None else f"{self.role}: {self.name}"

    @property
    def sentence(self) -> str:
        """The warning for the user."""
        owner = "" if self.role is None else f" of role {self.role}"
        return f"Setting {self.name}{owner} was not restored, because PostgreSQL refused it: {self.reason}"


def split_list(name: str, value: str) -> list[str] | None:
    """Return the names in the value of a list setting, or None when it is not a well-formed list.

    This is pg_dump's SplitGUCList. PostgreSQL keeps the text of `SET ... FROM CURRENT` as somebody gave it: names
    without quotes are in lower case then, as the server reads them.
    """
    names: list[str] = []
    at = 0
    while at < len(value) or names:
        item = _ITEM.match(value, at)
        if item is None:
            return None if value.strip() else []
        if item["quoted"] is not None:
            names.append(item["quoted"].replace('""', '"'))
        elif name in _IDENTIFIER_LISTS:
            names.append(_CAPITALS.sub(lambda found: found[0].lower(), item["plain"]))
        else:
            names.append(item["plain"])
        at = item.end()
        if not item["next"]:
            break
    return names


def canonical(setting: str) -> str:
    """Return a setting, 'name=value', in the one form that all settings of the same meaning have."""
    name, _, value = setting.partition("=")
    names = split_list(name, value) if name in _LISTS else None
    if names is None:
        return setting
    quoted = ('"{}"'.format(each.replace('"', '""')) for each in names or [""])
    return f"{name}={', '.join(quoted)}"


def apply_settings(
    cursor: Any, database: sql.Identifier, settings: Sequence[str], role_settings: Sequence[RoleSetting]
) -> Iterator[RefusedSetting]:
    """Set each setting, within a transaction, and yield those that the server refuses."""
    for each in role_settings:
        where = sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(each.role), database)
        yield from _refusal(cursor, where, each.setting, each.role)
    for setting in settings:
        yield from _refusal(cursor, sql.SQL("ALTER DATABASE {}").format(database), setting, None)


def _refusal(cursor: Any, where: sql.Composed, setting: str, role: str | None) -> Iterator[RefusedSetting]:
    name = setting.partition("=")[0]
    cursor.execute("SAVEPOINT setting")
    try:
        _assign(cursor, where, setting)
    except psycopg2.Error as error:
        if error.pgcode is None or error.pgcode.startswith(_NOT_THE_SETTINGS_FAULT):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT setting")
        yield RefusedSetting(role, name, _reason(name, error))
    else:
        cursor.execute("RELEASE SAVEPOINT setting")


def _assign(cursor: Any, where: sql.Composed, setting: str) -> None:
    name, _, value = setting.partition("=")
    names = [value] if name not in _LISTS else split_list(name, value)
    if names:
        values = sql.SQL(", ").join(map(sql.Literal, names))
        cursor.execute(where + sql.SQL(" SET {} TO {}").format(sql.Identifier(name), values))
    else:  # a list without names, or not a list: SQL has no words for it, but the catalog may hold it
        cursor.execute("SELECT pg_catalog.current_setting(%s, true)", (name,))
        (before,) = cursor.fetchone()
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))
        cursor.execute(where + sql.SQL(" SET {} FROM CURRENT").format(sql.Identifier(name)))
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, before))


def _reason(name: str, error: psycopg2.Error) -> str:
    """Return PostgreSQL's words, without the value of a setting that an extension or a user invented."""
    said = error.diag.message_primary or type(error).__name__
    return said.partition(': "')[0] if "." in name else said
