"""Tries on a scratch database what a restore does last: its owner, comment, settings, limit and grants."""

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
    describe what is in the database, and do not count. Settings of `expected` have to be readable, not sealed.
    """
    told = [
        f"database: {title} {getattr(expected, name)} became {getattr(found, name)}"
        for name, title in _COMPARED.items()
        if getattr(expected, name) != getattr(found, name)
    ]
    if (expected.comment or None) != (found.comment or None):
        told.append("database: its comment differs")
    told += _named("setting", _settings(expected), _settings(found))
    told += _named("grant", _grants(expected), _grants(found))
    return told


def _settings(traits: DatabaseTraits) -> dict[str, str]:
    pairs = (setting.partition("=") for setting in traits.settings)
    settings = {name: value for name, _, value in pairs}
    for each in traits.role_settings:
        name, _, value = each.setting.partition("=")
        settings[f"{name} of role {each.role}"] = value
    return settings


def _grants(traits: DatabaseTraits) -> dict[str, bool]:
    """Return the grants by what they allow; without any of its own, a database has PostgreSQL's defaults."""
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
    """What applying the traits of a backup gave: `found` is to be equal to `wanted`.

    Both are in a comparable form: settings sorted and in one notation, without those that were `refused`, and without
    what is not applied (`roles`, `lc_monetary`, a tablespace that the server lacks).
    """

    wanted: DatabaseTraits
    found: DatabaseTraits
    refused: tuple[RefusedSetting, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """A line for each thing that is not as it was; without values of settings and comments: they may be secrets."""
        return tuple(differences_of_traits(self.wanted, self.found))


def rehearse(fresh: Database, traits: DatabaseTraits) -> Rehearsal:
    """Apply the traits to a scratch database as a restore does, read them back, and undo it all.

    It keeps its mark and stays closed. Raises RestoreFailed when a restore would fail.
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
    names = {(each.role, each.name) for each in refused}
    kept = replace(
        traits,
        tablespace=found.tablespace,
        settings=tuple(each for each in traits.settings if (None, each.partition("=")[0]) not in names),
        role_settings=tuple(
            each for each in traits.role_settings if (each.role, each.setting.partition("=")[0]) not in names
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
                (RoleSetting(each.role, canonical(each.setting)) for each in traits.role_settings),
                key=lambda each: (each.role, each.setting),
            )
        ),
        grants=grants
        and tuple(sorted(set(grants), key=lambda each: (each.role or "", each.privilege, each.grantable))),
        roles=(),
        lc_monetary=None,
    )
