"""Applies owner, comment, settings, limit and grants to a scratch database as a restore does, and compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import psycopg2

from services.backups.configuration import RefusedSetting, canonical
from services.backups.manifest import DatabaseGrant, DatabaseTraits, RoleSetting
from services.backups.traits import apply, read_shared, unless_default
from services.errors import RestoreFailed
from services.postgres.client import MAINTENANCE, Database

_COMPARED = {
    "encoding": "encoding",
    "locale_provider": "locale provider",
    "collate": "LC_COLLATE",
    "ctype": "LC_CTYPE",
    "locale": "locale",
    "icu_rules": "ICU rules",
    "tablespace": "tablespace",
    "owner": "owner",
    "connection_limit": "connection limit",
}


def differences_of_traits(expected: DatabaseTraits, found: DatabaseTraits) -> list[str]:
    """Return every difference as a sentence of its own; none when the traits are equal.

    Values of settings and comments may be secrets: only their names are in a sentence. `roles` and `lc_monetary`
    describe what is in the database, and do not count. The settings of `expected` must be readable, not sealed.
    """
    lines = [
        f"database: {title} {getattr(expected, name)} became {getattr(found, name)}"
        for name, title in _COMPARED.items()
        if getattr(expected, name) != getattr(found, name)
    ]
    if (expected.comment or None) != (found.comment or None):
        lines.append("database: its comment differs")
    lines += _named("setting", _settings(expected), _settings(found))
    lines += _named("grant", _grants(expected), _grants(found))
    return lines


def _settings(traits: DatabaseTraits) -> dict[str, str]:
    pairs = (setting.partition("=") for setting in traits.settings)
    settings = {name: value for name, _, value in pairs}
    for role_setting in traits.role_settings:
        name, _, value = role_setting.setting.partition("=")
        settings[f"{name} of role {role_setting.role}"] = value
    return settings


def _grants(traits: DatabaseTraits) -> dict[str, bool]:
    """Return whether each grant may be passed on, by what it allows; PostgreSQL's defaults when there are none."""
    grants: Iterable[DatabaseGrant] = traits.grants or (
        *(DatabaseGrant(traits.owner, privilege) for privilege in ("CREATE", "TEMPORARY", "CONNECT")),
        *(DatabaseGrant(None, privilege) for privilege in ("TEMPORARY", "CONNECT")),
    )
    return {f"{grant.privilege} to {grant.role or 'PUBLIC'}": grant.grantable for grant in grants}


def _named(kind: str, expected: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"database: {kind} {name} is missing"
        elif name not in expected:
            yield f"database: {kind} {name} was not there"
        elif expected[name] != found[name]:
            yield f"database: {kind} {name} differs"


@dataclass(frozen=True)
class Rehearsal:
    """The outcome of applying the traits of a backup: `found` should equal `wanted`.

    Both are in a comparable form: settings are sorted and in one notation. Refused settings and what is not applied
    (`roles`, `lc_monetary`, a tablespace that the server lacks) are left out.
    """

    wanted: DatabaseTraits
    found: DatabaseTraits
    refused: tuple[RefusedSetting, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """Return a line for each difference, without values of settings and comments, which may be secrets."""
        return tuple(differences_of_traits(self.wanted, self.found))


def rehearse(fresh: Database, traits: DatabaseTraits) -> Rehearsal:
    """Apply the traits to a scratch database as a restore does, read them back, and undo it all.

    The database keeps its mark and stays closed to PUBLIC. Raises RestoreFailed when a restore would fail.
    """
    with fresh.sibling(MAINTENANCE).connect() as connection, connection.cursor() as cursor:
        try:
            refused = apply(cursor, fresh.name, traits)
            found = read_shared(cursor, fresh.name)
        except (psycopg2.DataError, psycopg2.ProgrammingError, psycopg2.NotSupportedError) as error:
            raise RestoreFailed(
                f"The owner, comment, limit or grants of the database could not be set: {error.diag.message_primary}"
            ) from error
        connection.rollback()
    names = {(setting.role, setting.name) for setting in refused}
    kept = replace(
        traits,
        tablespace=found.tablespace,
        settings=tuple(setting for setting in traits.settings if (None, setting.partition("=")[0]) not in names),
        role_settings=tuple(
            item for item in traits.role_settings if (item.role, item.setting.partition("=")[0]) not in names
        ),
    )
    return Rehearsal(comparable(kept), comparable(found), refused)


def comparable(traits: DatabaseTraits) -> DatabaseTraits:
    """Return the traits in the form in which those of equal databases are equal."""
    grants = unless_default(traits.grants, traits.owner)
    return replace(
        traits,
        settings=tuple(sorted(map(canonical, traits.settings))),
        role_settings=tuple(
            sorted(
                (RoleSetting(item.role, canonical(item.setting)) for item in traits.role_settings),
                key=lambda item: (item.role, item.setting),
            )
        ),
        grants=grants
        and tuple(sorted(set(grants), key=lambda grant: (grant.role or "", grant.privilege, grant.grantable))),
        roles=(),
        lc_monetary=None,
    )
