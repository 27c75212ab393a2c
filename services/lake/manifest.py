"""The manifest of a table in the bucket: its files, their rows, checksums and columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from services.bounds import Count, document
from services.errors import LakeError
from services.lake.partitions import day_of_file, is_own
from services.lake.schema import ColumnName, ManifestColumn, Schema

_VERSION = 1
TableName = Annotated[str, Field(pattern=r"\A[^/_.][^/]*\z")]
_YEARS_AHEAD = 10  # that a table is declared for, beyond the newest day there is


@dataclass(frozen=True)
class ManifestEntry:
    """A file in the bucket: `size` in bytes, `etag` as S3 gave it, `sha256` as `of_digests` returns it.

    `schema` is a digest; `least` and `most` hold the extremes of each column of numbers or times.
    """

    size: Count
    rows: Count
    sha256: str
    etag: str
    schema: str
    least: Mapping[str, str] = field(default_factory=dict)
    most: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LakeManifest:
    """What a table holds: its files by their path below the table's folder."""

    table: str
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    files: Mapping[str, ManifestEntry] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(entry.rows for entry in self.files.values())

    def rows_by_day(self) -> dict[date, int]:
        """Return rows of each day."""
        counted: dict[date, int] = {}
        for path, entry in self.files.items():
            day = day_of_file(path)
            if day is not None:
                counted[day] = counted.get(day, 0) + entry.rows
        return counted

    def own_rows_by_day(self) -> dict[date, int]:
        """Return rows of each day in files of Shoreline's own names: those of other programs are left out."""
        own = {path: entry for path, entry in self.files.items() if is_own(path)}
        return replace(self, files=own).rows_by_day()

    @property
    def years(self) -> tuple[int, int] | None:
        """The years that its table is declared for, where no file declares them: from the oldest day's on.

        A query on Athena returns no rows of other years. None for a table without days.
        """
        years = [day.year for day in self.rows_by_day()]
        return (min(years), max(years) + _YEARS_AHEAD) if years else None

    @property
    def schema(self) -> Schema:
        """The columns of all files: those of each schema in turn, without repeating any."""
        columns = {column.name: column for schema in self.schemas.values() for column in schema.columns}
        return Schema(tuple(columns.values()))

    def with_files(self, files: Mapping[str, ManifestEntry], schemas: Mapping[str, Schema]) -> LakeManifest:
        """Return the same table holding `files`; of the schemas those that any of them has stay, older ones first."""
        used = {entry.schema for entry in files.values()}
        known = {digest: schema for digest, schema in {**self.schemas, **schemas}.items() if digest in used}
        return replace(self, files=dict(sorted(files.items())), schemas=known)

    def to_json(self, *, after: str | None = None) -> bytes:
        """Return the stored form of the manifest; with `after`, the ETag of the replaced one, it has another ETag."""
        schemas = {
            digest: [[column.name, column.type, column.athena] for column in schema.columns]
            for digest, schema in self.schemas.items()
        }
        files = {path: vars(entry) for path, entry in self.files.items()}
        document: dict[str, Any] = {"version": _VERSION, "table": self.table, "schemas": schemas, "files": files}
        if after is not None:
            document["after"] = after
        return json.dumps(document).encode()  # not indented: that takes Python's own encoder, ten times as long

    @classmethod
    def from_json(cls, text: bytes, where: str) -> LakeManifest:
        """Return the manifest that was stored. Raises LakeError, which names `where`, for an unreadable one."""
        try:
            stored: _Stored = document(text, _VERSION, _STORED)
            unknown = {entry.schema for entry in stored.files.values()} - stored.schemas.keys()
            if unknown:
                raise ValueError(f"files have the schema {min(unknown)!r}, which it does not hold")
        except ValueError as error:
            raise Unreadable(
                f"{where} is not a readable manifest of a table: {error}.",
                next_step="If a newer Shoreline wrote it, use that. Else delete it and run `shoreline upload`:"
                " it is rebuilt from the files and their checksums.",
            ) from error
        schemas = {
            digest: Schema(tuple(ManifestColumn(*column) for column in columns))
            for digest, columns in stored.schemas.items()
        }
        return cls(stored.table, schemas, stored.files)


class Unreadable(LakeError):
    """The lake's manifest or record of one table cannot be read; other tables are not affected."""


@dataclass(frozen=True)
class _Stored:
    """A manifest as it is stored."""

    version: int
    table: TableName
    schemas: Mapping[str, tuple[tuple[ColumnName, str, str], ...]]
    files: Mapping[str, ManifestEntry]


_STORED = TypeAdapter(_Stored)


def tables_left_out(reasons: Mapping[str, str], then: str = "upload") -> LakeError | None:
    """Return the failure of a run that left out tables, each with its reason; None if it left out none."""
    if not reasons:
        return None
    return LakeError(
        "Tables were left out:" + "".join(f"\n  {name}: {why}" for name, why in reasons.items()),
        next_step=f"Delete what cannot be read and run `shoreline {then}`; or use the Shoreline that wrote it.",
    )
