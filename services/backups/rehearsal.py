"""Tries on a scratch database what a restore does last: its owner, comment, settings, limit and grants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import psycopg2

from services.backups.configuration import RefusedSetting, canonical
from services.backups.manifest import DatabaseTraits, RoleSetting
from services.backups.trait_differences import differences_of_traits
from services.backups.traits import apply, read_shared, unless_default
from services.database import MAINTENANCE, Database
from services.errors import RestoreFailed


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
