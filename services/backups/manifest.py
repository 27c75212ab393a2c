"""The manifest: what was backed up, and how to know that it is whole. What has none is no backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from services.backups.fingerprint import Fingerprint
from services.backups.naming import Format
from services.backups.shrinkage import Shrinkage
from services.bounds import Count, EncodingName, Moment, Seconds, ShortText, first_fault

FORMAT_VERSION = 1
ServerKind = Literal["throwaway", "source", "other"]
"""Where a drill restored: on a server of its own, on the one that was backed up, on another that DRILL_HOST names."""

# Whoever may write into the bucket may write a manifest: what a restore uses has to be of the kind that it should be.
LocaleProvider = Literal["libc", "icu", "builtin"]
Privilege = Literal["CONNECT", "CREATE", "TEMPORARY"]
_Text = Annotated[str, Field(pattern=r"\A[^\x00]*\z")]  # PostgreSQL stores no NUL
_Name = Annotated[str, Field(pattern=r"\A[^\x00]+\z", max_length=255)]
Setting = Annotated[str, Field(pattern=r"\A[^=\x00]{1,255}=[^\x00]*\z")]
# It travels in a session's options, which white space separates. Other control characters are in no locale's name.
_Locale = Annotated[str, Field(pattern=r"\A[^\x00-\x1f\x7f-\xa0\u2028\u2029]*\z", max_length=1000)]
_Version = Annotated[str, Field(pattern=r"\A[0-9]{1,6}(\.[0-9]{1,6})*\z")]
_TriggerState = Annotated[str, Field(pattern=r"\A[ODRA]\z")]  # pg_trigger.tgenabled
_Limit = Annotated[int, Field(ge=-1, le=2**31 - 1)]


@dataclass(frozen=True)
class File:
    """A stored object: its name beside the manifest, its size in bytes, its SHA-256."""

    name: str
    bytes: Count
    sha256: str


@dataclass(frozen=True)
class DatabaseGrant:
    """A privilege on the database itself; `role` is None for PUBLIC."""

    role: _Name | None
    privilege: Privilege
    grantable: bool = False


@dataclass(frozen=True)
class RoleSetting:
    """What is set for one role in this database only, as 'name=value'."""

    role: _Name
    setting: Setting


@dataclass(frozen=True)
class DatabaseTraits:
    """What `pg_dump` leaves out and a restored database needs: how it was created, and what is set for all of it.

    `settings` as 'name=value'; `grants` is None where PostgreSQL's defaults hold; `roles` are all that own or may use
    something in it; -1 connections are as many as the server takes. Of an encrypted backup all settings are `sealed`:
    as JSON, encrypted for its recipients, in base64. `tablespace` is None for the server's own; `lc_monetary` for a
    database without money: PostgreSQL writes and reads amounts by it, and pg_dump does not say by which.
    """

    encoding: EncodingName
    locale_provider: LocaleProvider
    collate: _Locale
    ctype: _Locale
    locale: _Locale | None = None
    owner: _Name | None = None
    comment: _Text | None = None
    settings: tuple[Setting, ...] = ()
    grants: tuple[DatabaseGrant, ...] | None = None
    roles: tuple[_Name, ...] = ()
    role_settings: tuple[RoleSetting, ...] = ()
    connection_limit: _Limit = -1
    sealed: str | None = None
    icu_rules: _Text | None = None
    tablespace: _Name | None = None
    lc_monetary: _Locale | None = None


@dataclass(frozen=True)
class Extension:
    """An installed extension."""

    version: ShortText
    owner: _Name


@dataclass(frozen=True)
class CatalogFacts:
    """What the catalog said at the time of the dump, and `pg_dump` does not write.

    `access_methods` of tables that are not heaps, by their names. `foreign_keys`: of their triggers that are not simply
    enabled, the state (`pg_trigger.tgenabled`). `left_out` are unlogged tables and sequences, whose content a standby
    does not have. Names are qualified, without quotes.
    """

    extensions: Mapping[_Name, Extension]
    access_methods: Mapping[ShortText, _Name]
    foreign_keys: Mapping[ShortText, _TriggerState]
    left_out: tuple[ShortText, ...] = ()


@dataclass(frozen=True)
class BackupSummary:
    """What is kept of a manifest where there are many: one of a large schema takes a megabyte."""

    database: str
    taken_at: datetime
    object: File
    globals: File | None
    plain_bytes: int
    database_bytes: int
    rows: int
    shrank: Shrinkage | None = None  # what the database shrank from before this backup


@dataclass(frozen=True)
class BackupManifest:
    """One backup. `taken_at` is in UTC, by the object store's clock; `plain_bytes` is the size of the dump as SQL.

    `warnings` is what pg_dump said, a line each: what it may not read and passes over, it only warns of. `facts` is
    None in manifests of older versions.
    """

    format_version: int
    tool_version: str
    run_id: str
    lease_token: Count
    database: str
    taken_at: Moment
    server_version: _Version
    client_version: _Version
    format: Format
    object: File
    plain_bytes: Count
    database_bytes: Count
    seconds: Seconds
    encrypted: bool
    fingerprint: Fingerprint
    traits: DatabaseTraits
    globals: File | None = None
    warnings: tuple[str, ...] = ()
    shrank: Shrinkage | None = None
    facts: CatalogFacts | None = None

    @property
    def summary(self) -> BackupSummary:
        """What lists, retention and forecasts need of it."""
        return BackupSummary(
            database=self.database,
            taken_at=self.taken_at,
            object=self.object,
            globals=self.globals,
            plain_bytes=self.plain_bytes,
            database_bytes=self.database_bytes,
            rows=self.fingerprint.rows,
            shrank=self.shrank,
        )

    def to_json(self) -> bytes:
        """The manifest as it is stored."""
        return _MANIFEST.dump_json(self, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> BackupManifest:
        """Reads a stored manifest. Raises ValueError when it is none, or of a later format."""
        try:
            manifest = _MANIFEST.validate_json(text)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        if manifest.format_version > FORMAT_VERSION:
            raise ValueError(f"format version {manifest.format_version} is later than this program's {FORMAT_VERSION}")
        return manifest


@dataclass(frozen=True)
class DrillRecord:
    """How a drill of one backup ended. `restore_seconds` is what a restore takes on that server (the RTO).

    `server_kind` is None in records of before there were kinds. `notes` are on differences that do not count, as every
    restore causes them. `not_compared` is what a drill does not look at.

    `server_kind` is None in records of before there were kinds.
    """

    drilled_at: Moment
    ok: bool
    restore_seconds: Seconds
    compare_seconds: Seconds
    server_version: ShortText
    tables: Count
    rows: Count
    differences: tuple[str, ...] = ()
    server_kind: ServerKind | None = None
    notes: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The record as it is stored."""
        return _DRILL.dump_json(self, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> DrillRecord:
        """Reads a stored record. Raises ValueError when it is none."""
        try:
            return _DRILL.validate_json(text)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None


_MANIFEST = TypeAdapter(BackupManifest)
_DRILL = TypeAdapter(DrillRecord)
