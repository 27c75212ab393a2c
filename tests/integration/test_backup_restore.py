"""A backup goes out, comes back, and is proved to be the same."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pyrage
import pytest

from services.backups.catalog import BackupCatalog
from services.backups.fingerprint import Content, Fingerprint
from services.backups.naming import Naming
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.integration.schemas import AWKWARD
from tests.unit.backups.test_values import MANIFEST

Execute = Callable[[str], None]


@pytest.mark.parametrize("format_", ["plain", "custom"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["open", "encrypted"])
def test_a_backup_of_anything_restores_and_a_drill_finds_it_equal(
    shoreline: Shoreline, execute: Execute, copy: Database, storage: Storage, format_: str, encrypted: bool
) -> None:
    execute(AWKWARD)
    identity = pyrage.x25519.Identity.generate()
    env = {"BACKUP_FORMAT": format_}
    if encrypted:
        env |= {"BACKUP_AGE_RECIPIENTS": str(identity.to_public()), "BACKUP_AGE_IDENTITY": str(identity)}
    made = shoreline("backup", "--json", env=env)
    assert made.exit_code == 0, made.errors
    (backup,) = made.json["result"]["backups"]
    assert backup["key"].endswith({"plain": ".sql.gz", "custom": ".dump"}[format_] + (".age" if encrypted else ""))

    restored = shoreline("restore", "--latest", "--into", copy.name, "--json", env=env)
    assert restored.exit_code == 0, restored.errors
    assert copy.scalar("SELECT count(*) FROM users") == 500
    assert copy.scalar("SELECT sum(length(data)) FROM pg_largeobject") == 80_005

    drilled = shoreline("drill", "--json", env=env)
    assert drilled.exit_code == 0, drilled.errors + drilled.output
    assert drilled.json["result"]["record"]["ok"] is True
    listed = shoreline("backups", "--json", env=env).json["result"]["backups"]
    assert [each["drill_ok"] for each in listed] == [True]
    manifest = storage.read(backup["key"].partition(".")[0] + ".manifest.json")
    assert manifest is not None
    fingerprint = json.loads(manifest)["fingerprint"]
    assert fingerprint["tables"]['"Odd Schéma"."Ta""ble ünd; --"']["rows"] == 3
    assert fingerprint["tables"]["public.no_columns"]["rows"] == 1
    assert fingerprint["tables"]["public.by_mood"]["rows"] == 300
    assert fingerprint["tables"]["public.empty_one"]["rows"] == 0
    assert fingerprint["sequences"]['public."Next One"'] == {"value": 8, "is_called": True}
    assert fingerprint["large_objects"]["rows"] == 2


def test_what_is_held_of_many_backups_does_not_grow_with_their_schema(storage: Storage) -> None:
    tables = {f"public.table_{number}": Content(number, number, f"{number:064x}") for number in range(2000)}
    manifest = replace(MANIFEST, fingerprint=Fingerprint(tables, {}, {}))
    naming = Naming("backups/postgres")
    for minute in range(10):
        name = naming.name(manifest.database, datetime(2025, 6, 10, 12, minute, tzinfo=UTC))
        file = replace(manifest.object, name=name.key(".sql.gz").rpartition("/")[2])
        storage.put(name.key(".sql.gz"), bytes(file.bytes))
        storage.put(name.key(".manifest.json"), replace(manifest, object=file).to_json())
    tracemalloc.start()
    try:
        contents = BackupCatalog(storage, naming).read()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each.summary.rows for each in contents.backups] == [sum(range(2000))] * 10
    assert held < 1_000_000  # one of these manifests
