"""The declaration of an exported table, read from its manifest."""

from __future__ import annotations

from dataclasses import replace

from services.lake.manifest import LakeManifest, ManifestEntry
from services.lake.schema import ManifestColumn, Schema
from services.queries.ddl import create_table
from services.queries.manifest_tables import recorded_schema


def manifest() -> LakeManifest:
    columns = [
        ManifestColumn("n", "int32", "int"),
        ManifestColumn("at", "timestamp[ms, tz=UTC]", "timestamp"),
        ManifestColumn("price", "decimal128(10, 2)", "decimal(10,2)"),
        ManifestColumn("tags", "list<element: string>", "array<string>"),
        ManifestColumn("select", "bool", "boolean"),
    ]
    schema = Schema(tuple(columns))
    entry = ManifestEntry(size=10, rows=3, sha256="0", etag="0", schema=schema.digest)
    files = {f"year={year}/month=01/day=10/data.parquet": entry for year in (1996, 1998)}
    return LakeManifest("invoices", {schema.digest: schema}, files)


def test_recorded_table_is_declared_with_its_columns_and_years() -> None:
    sql = create_table(recorded_schema(manifest()), "lake", "s3://b/datalake").sql
    assert "LOCATION 's3://b/datalake/invoices/'" in sql
    assert "`select` boolean" in sql
    assert "'projection.year.range' = '1996,2008'" in sql
    assert "s3://b/datalake/invoices/year=${year}/month=${month}/day=${day}/" in sql


def test_day_before_year_1000_is_declared_by_its_folders() -> None:
    stored = manifest()
    (entry, *_) = stored.files.values()
    old = replace(stored, files={**stored.files, "year=0001/month=01/day=01/data.parquet": entry})
    properties = create_table(recorded_schema(old), "lake", "s3://b/datalake").properties
    assert properties["projection.year.range"] == "1,2008"
    assert properties["projection.year.digits"] == "4"


def test_manifest_survives_being_stored() -> None:
    stored = manifest()
    assert LakeManifest.from_json(stored.to_json(), "here") == stored
