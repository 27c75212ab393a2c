"""The manifest: what was backed up, and how to know that it is whole. What has none is no backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from services.backups.fingerprint import Fingerprint
from services.backups.naming import Format

FORMAT_VERSION = 1


@dataclass(frozen=True)
class File:
    """A stored object: its name beside the manifest, its size in bytes, its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Grant:
    """A privilege on the database itself; `role` is None for PUBLIC."""

    role: str | None
    privilege: str
    grantable: bool = False


@dataclass(frozen=True)
class RoleSetting:
    """What is set for one role in this database only, as 'name=value'."""

    role: str
    setting: str


@dataclass(frozen=True)
class DatabaseTraits:
    """What `pg_dump` leaves out and a restored database needs: how it was created, and what is set for all of it.

    `settings` as 'name=value'; `grants` is None where PostgreSQL's defaults hold; `roles` are all that own or may use
    something in it; -1 connections are as many as the server takes. Of an encrypted backup all settings are `sealed`:
    as JSON, encrypted for its recipients, in base64. `tablespace` is None for the server's own; `lc_monetary` for a
    database without money: PostgreSQL writes and reads amounts by it, and pg_dump does not say by which.
    """

    encoding: str
    locale_provider: str
    collate: str
    ctype: str
    locale: str | None = None
    owner: str | None = None
    comment: str | None = None
    settings: tuple[str, ...] = ()
    grants: tuple[Grant, ...] | None = None
    roles: tuple[str, ...] = ()
    role_settings: tuple[RoleSetting, ...] = ()
    connection_limit: int = -1
    sealed: str | None = None
    icu_rules: str | None = None
    tablespace: str | None = None
    lc_monetary: str | None = None


@dataclass(frozen=True)
class Extension:
    """An installed extension."""

    version: str
    owner: str


@dataclass(frozen=True)
class CatalogFacts:
    """What the catalog said at the time of the dump, and `pg_dump` does not write.

    `access_methods` of tables that are not heaps, by their names. `foreign_keys`: of their triggers that are not simply
    enabled, the state (`pg_trigger.tgenabled`). `left_out` are unlogged tables and sequences, whose content a standby
    does not have. Names are qualified, without quotes.
    """

    extensions: Mapping[str, Extension]
    access_methods: Mapping[str, str]
    foreign_keys: Mapping[str, str]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What is kept of a manifest where there are many: one of a large schema takes a megabyte."""

    database: str
    taken_at: datetime
    object: File
    globals: File | None
    plain_bytes: int
    database_bytes: int
    rows: int


@dataclass(frozen=True)
class Manifest:
    """One backup. `taken_at` is in UTC, by the object store's clock; `plain_bytes` is the size of the dump as SQL.

    `warnings` is what pg_dump said, a line each: what it may not read and passes over, it only warns of. `facts` is
    None in manifests of older versions.
    """

    format_version: int
    tool_version: str
    run_id: str
    lease_token: int
    database: str
    taken_at: datetime
    server_version: str
    client_version: str
    format: Format
    object: File
    plain_bytes: int
    database_bytes: int
    seconds: float
    encrypted: bool
    fingerprint: Fingerprint
    traits: DatabaseTraits
    globals: File | None = None
    warnings: tuple[str, ...] = ()
    facts: CatalogFacts | None = None

    @property
    def summary(self) -> Summary:
        """What lists, retention and forecasts need of it."""
        return Summary(
            database=self.database,
            taken_at=self.taken_at,
            object=self.object,
            globals=self.globals,
            plain_bytes=self.plain_bytes,
            database_bytes=self.database_bytes,
            rows=self.fingerprint.rows,
        )

    def to_json(self) -> bytes:
        """The manifest as it is stored."""
        return _MANIFEST.dump_json(self, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Reads a stored manifest. Raises ValueError when it is none, or of a later format."""
        try:
            manifest = _MANIFEST.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where or 'text'}: {first['msg']}") from None
        if manifest.format_version > FORMAT_VERSION:
            raise ValueError(f"format version {manifest.format_version} is later than this program's {FORMAT_VERSION}")
        return manifest


@dataclass(frozen=True)
class DrillRecord:
    """How a drill of one backup ended. `restore_seconds` is what a restore takes here (the RTO).

    `notes` are on differences that do not count, as every restore causes them. `not_compared` is what a drill does not
    look at.
    """

    drilled_at: datetime
    ok: bool
    restore_seconds: float
    compare_seconds: float
    server_version: str
    tables: int
    rows: int
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The record as it is stored."""
        return _DRILL.dump_json(self, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> DrillRecord:
        """Reads a stored record. Raises ValueError when it is none."""
        return _DRILL.validate_json(text)


_MANIFEST = TypeAdapter(Manifest)
_DRILL = TypeAdapter(DrillRecord)
