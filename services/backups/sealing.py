"""Settings of an encrypted backup, which may be secrets: its manifest is not encrypted, and holds them sealed."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from services.backups.encryption import Identity, Recipient, decrypted, encrypted
from services.backups.manifest import DatabaseTraits, RoleSetting, Setting
from services.errors import BackupDamaged


@dataclass(frozen=True)
class _Settings:
    settings: tuple[Setting, ...]
    role_settings: tuple[RoleSetting, ...]


_SETTINGS = TypeAdapter(_Settings)


def sealed(traits: DatabaseTraits, recipients: Sequence[Recipient]) -> DatabaseTraits:
    """The traits, with their settings readable to the recipients only; as they are where there are no recipients."""
    if not recipients or not (traits.settings or traits.role_settings):
        return traits
    text = _SETTINGS.dump_json(_Settings(traits.settings, traits.role_settings))
    closed = b64encode(b"".join(encrypted([text], list(recipients)))).decode()
    return replace(traits, settings=(), role_settings=(), sealed=closed)


def opened(traits: DatabaseTraits, identities: Sequence[Identity], *, encrypted: bool) -> DatabaseTraits:
    """Return the traits with their settings.

    Raises BackupDamaged when the identities do not open them, when they are not settings, or when those of an
    `encrypted` backup are in plain text: whoever wrote them did not need its recipients.
    """
    if traits.sealed is None:
        if encrypted and (traits.settings or traits.role_settings):
            raise BackupDamaged(
                "The settings in the manifest of this encrypted backup are not encrypted.",
                next_step="Pass --allow-unencrypted if you know that an early version of Shoreline made it.",
            )
        return traits
    try:
        text = b"".join(decrypted([b64decode(traits.sealed)], list(identities)))
        found = _SETTINGS.validate_json(text)
    except ValueError as error:
        raise BackupDamaged("The encrypted settings in its manifest cannot be read.") from error
    return replace(traits, settings=found.settings, role_settings=found.role_settings, sealed=None)
