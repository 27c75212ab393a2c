"""Client-side encryption in the age format (age-encryption.org/v1): `age -d` opens what this writes."""

from __future__ import annotations

import queue
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyrage
from pydantic import TypeAdapter

from services.backups.manifest import DatabaseTraits, RoleSetting, Setting
from services.backups.stream import BLOCK, Blocks
from services.errors import BackupDamaged, BackupFailed, SettingsError


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


def opened(traits: DatabaseTraits, identities: Sequence[AgeIdentity], *, encrypted: bool) -> DatabaseTraits:
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


_AHEAD = 4  # blocks


class Recipient(Protocol):
    """A public key."""


class AgeIdentity(Protocol):
    """A secret key."""


def recipients_of(text: str) -> list[Recipient]:
    """The public keys in a setting's text: age1... or ssh-..., separated by commas or lines. Raises SettingsError."""
    recipients: list[Recipient] = []
    for word in filter(None, map(str.strip, text.replace("\n", ",").split(","))):
        kind = pyrage.ssh if word.startswith("ssh-") else pyrage.x25519
        try:
            recipients.append(kind.Recipient.from_str(word))
        except pyrage.RecipientError:
            raise SettingsError(
                f"Settings need attention:\n  BACKUP_AGE_RECIPIENTS  '{word[:12]}...' is no age recipient",
                next_step="Copy the public key once more: `age-keygen -y` prints that of an identity file.",
            ) from None
    return recipients


def identities_of(text: str) -> list[AgeIdentity]:
    """The secret keys in the text of an identity file of age-keygen or ssh-keygen. Raises SettingsError."""
    try:
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines()]
        keys: list[AgeIdentity] = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith("AGE-")]
    except pyrage.IdentityError:
        keys = []
    if not keys:
        raise SettingsError("Settings need attention:\n  BACKUP_AGE_IDENTITY  holds no age identity")
    return keys


def encrypted(blocks: Iterable[bytes], recipients: list[Recipient]) -> Blocks:
    """The blocks, so that only the recipients can read them."""
    try:
        yield from _through(blocks, lambda reader, writer: pyrage.encrypt_io(reader, writer, recipients))
    except _AgeFailed as error:
        raise BackupFailed(f"The backup could not be encrypted: {error}.") from error


def decrypted(blocks: Iterable[bytes], identities: list[AgeIdentity]) -> Blocks:
    """What was encrypted. Raises BackupDamaged when it was altered, or is for other recipients."""
    try:
        yield from _through(blocks, lambda reader, writer: pyrage.decrypt_io(reader, writer, identities))
    except _AgeFailed as error:
        raise BackupDamaged(
            f"The backup cannot be decrypted: {error}.", next_step="Is BACKUP_AGE_IDENTITY the right one?"
        ) from error


def _through(blocks: Iterable[bytes], work: Callable[[_Reader, _Writer], None]) -> Blocks:
    """What `work` writes, which reads the blocks, on a thread of its own. What the blocks raise is raised here."""
    made: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    reader = _Reader(iter(blocks))
    writer = _Writer(made)

    def run() -> None:
        try:
            work(reader, writer)
            writer.close()
        except BaseException as error:  # raised where the blocks are used
            made.put(reader.error or _AgeFailed(str(error)))

    threading.Thread(target=run, daemon=True, name="age").start()
    try:
        while (block := made.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        writer.stopped = True
        while not made.empty():
            made.get_nowait()


class _AgeFailed(Exception):
    """What age itself met."""


class _Reader:
    """Blocks as a file that can be read. An error that passes through age's own code loses what it was: it is kept."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        if not self._held:
            try:
                self._held = memoryview(next(self._blocks, b""))
            except BaseException as error:
                self.error = error
                raise
        out, self._held = self._held[:size], self._held[size:]
        return bytes(out)


class _Writer:
    """A file whose content goes on in blocks."""

    def __init__(self, made: queue.Queue[bytes | BaseException | None]) -> None:
        self._made = made
        self._held: list[bytes] = []
        self._size = 0
        self.stopped = False

    def write(self, data: Any) -> int:
        """Takes some bytes."""
        if self.stopped:
            raise OSError("nobody reads this any more")
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size >= BLOCK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hands on what is held."""
        if self._held:
            self._made.put(b"".join(self._held))
            self._held, self._size = [], 0

    def close(self) -> None:
        """Hands on the rest, and the end."""
        self.flush()
        self._made.put(None)
