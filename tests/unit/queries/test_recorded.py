"""A table that was exported needs no DDL of one's own: its manifest says enough."""

from __future__ import annotations

from dataclasses import replace

from services.lake.manifest import LakeManifest, ManifestEntry
from services.lake.schema import ManifestColumn, Schema
from services.queries.catalog import catalog_of
from services.queries.ddl.statements import read_tables
from services.queries.manifest_tables import recorded_ddl, recorded_schema


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


def test_its_ddl_is_what_athena_takes_and_declares_the_same_table() -> None:
    table = recorded_schema(manifest())
    catalog = catalog_of("lake", {})
    tables = {"invoices": table}
    made = read_tables(replace(catalog, tables=tables), "s3://b/datalake", generated={"invoices": recorded_ddl(table)})
    sql = str(made["invoices"])
    assert "LOCATION 's3://b/datalake/invoices/'" in sql
    assert "`select` boolean" in sql
    assert "'projection.year.range' = '1996,2008'" in sql
    assert "s3://b/datalake/invoices/year=${year}/month=${month}/day=${day}/" in sql


def test_a_table_with_a_day_before_the_year_1000_is_declared_with_the_folders_that_it_has() -> None:
    stored = manifest()
    (entry, *_) = stored.files.values()
    old = replace(stored, files={**stored.files, "year=0001/month=01/day=01/data.parquet": entry})
    table = recorded_schema(old)
    catalog = replace(catalog_of("lake", {}), tables={"invoices": table})
    made = str(read_tables(catalog, "s3://b/datalake", generated={"invoices": recorded_ddl(table)})["invoices"])
    assert "'projection.year.range' = '1,2008'" in made
    assert "'projection.year.digits' = '4'" in made


def test_a_manifest_survives_being_stored() -> None:
    stored = manifest()
    assert LakeManifest.from_json(stored.to_json(), "here") == stored
