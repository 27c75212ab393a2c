"""How the owner, locale, settings and grants of a restored database differ from those in a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from services.backups.manifest import DatabaseTraits, Grant

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
    grants: Iterable[Grant] = traits.grants or (
        *(Grant(traits.owner, privilege) for privilege in ("CREATE", "TEMPORARY", "CONNECT")),
        *(Grant(None, privilege) for privilege in ("TEMPORARY", "CONNECT")),
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
