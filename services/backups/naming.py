"""Where a backup lies in the bucket, and which keys are backups at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote, unquote

Format = Literal["plain", "custom"]

LEASE = "lease.json"
MANIFEST = ".manifest.json"
DRILL = ".drill.json"
ACCEPTED = ".accepted.json"
"""Its presence says that somebody accepted that the database shrank before this backup."""
_OBJECTS: dict[Format, str] = {"plain": ".sql.gz", "custom": ".dump"}
_GLOBALS = ".globals.sql.gz"
_AGE = ".age"
SUFFIXES = (
    MANIFEST,
    DRILL,
    ACCEPTED,
    *(suffix + age for suffix in (*_OBJECTS.values(), _GLOBALS) for age in ("", _AGE)),
)
_KEY = re.compile(
    r"(?:(?P<folder>[^/]+)/)?(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2})"
    r"/backup_(?P<stamp>[0-9]{8}_[0-9]{6})(?P<suffix>\.[a-z.]+)"
)
_STAMP = "%Y%m%d_%H%M%S"


def object_suffix(format_: Format, *, encrypted: bool) -> str:
    """How the name of a backup's object ends."""
    return _OBJECTS[format_] + (_AGE if encrypted else "")


def globals_suffix(*, encrypted: bool) -> str:
    """How the name of a backup's globals (roles, tablespaces) ends."""
    return _GLOBALS + (_AGE if encrypted else "")


def folder_of(database: str) -> str:
    """The folder of a database that has its own: its name, percent-encoded where a key cannot hold it."""
    encoded = quote(database, safe="")
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


@dataclass(frozen=True)
class Name:
    """Where one backup lies. `folder` is its database's, None in the plain layout; `taken_at` is in UTC."""

    prefix: str
    folder: str | None
    taken_at: datetime

    @property
    def stem(self) -> str:
        """The key without its suffix: 'backups/postgres/2025/06/10/backup_20250610_143022'."""
        at = self.taken_at.astimezone(UTC)
        folder = f"{self.folder}/" if self.folder else ""
        return f"{self.prefix}/{folder}{at:%Y/%m/%d}/backup_{at.strftime(_STAMP)}"

    def key(self, suffix: str) -> str:
        """The key of one of the backup's objects."""
        return self.stem + suffix


@dataclass(frozen=True)
class Naming:
    """The keys under `prefix`."""

    prefix: str

    def name(self, database: str, taken_at: datetime, *, own_folder: bool = False) -> Name:
        """Where a backup that is begun at `taken_at` belongs: with `own_folder` its database has a folder there."""
        folder = folder_of(database) if own_folder else None
        return Name(self.prefix, folder, taken_at.astimezone(UTC).replace(microsecond=0))

    def inner(self, key: str) -> str | None:
        """The folder in which a key is the lease of other backups: their prefix lies below this one. None otherwise."""
        folder, _, name = key.removeprefix(f"{self.prefix}/").rpartition("/")
        return folder if folder and "/" not in folder and name == LEASE else None

    def parse(self, key: str) -> tuple[Name, str] | None:
        """The name and suffix of a key, or None when it does not match the naming exactly."""
        if not key.startswith(f"{self.prefix}/"):
            return None
        found = _KEY.fullmatch(key, len(self.prefix) + 1)
        if found is None or found["suffix"] not in SUFFIXES:
            return None
        try:
            taken_at = datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None
        folder = found["folder"]
        if folder is not None and folder_of(unquote(folder)) != folder:
            return None
        name = Name(self.prefix, folder, taken_at)
        return (name, found["suffix"]) if name.key(found["suffix"]) == key else None
