"""An object of one table that cannot be read affects that table only; others are answered, the exit code says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import LakeError
from services.lake.journal import Journal
from services.lake.manifest import LakeManifest, Unreadable
from services.lake.record import ExportRecord
from services.s3.objects import Storage
from tests.conftest import Shoreline

ENTRY = {"size": 1, "rows": 1, "sha256": "0", "etag": "0", "schema": "d", "least": {}, "most": {}}
MANIFEST: dict[str, Any] = {
    "version": 1,
    "table": "bad",
    "schemas": {"d": [["n", "int32", "int"]]},
    "files": {"year=2025/month=01/day=10/data.parquet": ENTRY},
}
RECORD: dict[str, Any] = {"version": 1, "table": "bad", "origin": "o", "shape": "s", "days": {"2025-01-10": [1, 2]}}
JOURNAL: dict[str, Any] = {
    "version": 1,
    "tables": {"bad": {"year=2025/month=01/day=10": {"sources": {"a": "b"}, "results": {"c": "d"}}}},
}
READERS: list[tuple[Callable[[bytes], object], dict[str, Any], type[LakeError]]] = [
    (lambda text: LakeManifest.from_json(text, "here"), MANIFEST, Unreadable),
    (lambda text: ExportRecord.from_json(text, "here"), RECORD, Unreadable),
    (lambda text: Journal.from_json(text, "here"), JOURNAL, LakeError),
]
DEEP = b"[" * 100_000
FORGED: dict[str, list[dict[str, Any]]] = {
    "manifest": [
        {"files": {"p": {**ENTRY, "rows": "x"}}},
        {"files": {"p": {**ENTRY, "rows": -1}}},
        {"files": {"p": {**ENTRY, "size": float("inf")}}},
        {"files": {"p": {**ENTRY, "schema": "other"}}},
        {"schemas": {"d": [["n", "int32"]]}},
        {"schemas": {"d": [["", "int32", "int"]]}},
        {"table": "../up"},
        {"table": "_manifest"},
        {"files": []},
    ],
    "record": [{"days": {"2025-01-10": [1]}}, {"days": {"x": [1, 2]}}, {"days": {"2025-01-10": [1, -2]}}, {"shape": 1}],
    "journal": [{"tables": []}, {"tables": {"bad": {"d": {"sources": {}}}}}, {"tables": {"_manifest": {}}}],
}


@pytest.mark.parametrize(("read", "good", "kind"), READERS, ids=FORGED)
def test_unreadable_object_of_the_lake_is_an_error_of_the_lake(
    read: Callable[[bytes], object], good: dict[str, Any], kind: type[LakeError], request: pytest.FixtureRequest
) -> None:
    read(json.dumps({**good, "added by a later version": 1}).encode())
    changes = FORGED[request.node.callspec.id]
    texts = [json.dumps({**good, **change}).encode() for change in changes]
    for text in (b"", b"\xff", b"null", b"[]", DEEP, b'{"version": 2}', b'{"version": 1}', *texts):
        with pytest.raises(kind, match="here") as caught:
            read(text)
        assert caught.value.exit_code == 16, text[:200]


def put_tables(output: Path) -> None:
    for table in ("bad", "good"):
        for number, value in enumerate((1, 2)):
            path = output / table / f"year=2025/month=01/day=10/data-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"n": pa.array([value], pa.int32())}), path)


@pytest.mark.parametrize("body", [DEEP, json.dumps({**MANIFEST, "table": "other"}).encode()], ids=["deep", "other"])
def test_unreadable_manifest_leaves_other_tables_usable(
    shoreline: Shoreline, settings: dict[str, str], storage: Storage, body: bytes
) -> None:
    put_tables(Path(settings["OUTPUT_DIR"]))
    assert shoreline("upload").exit_code == 0
    storage.put("datalake/_manifest/bad.json", body)
    tables = shoreline("tables", "--json")
    assert tables.exit_code == 16
    assert {table["name"] for table in tables.json["result"]["tables"]} >= {"good"}
    assert "_manifest/bad.json" in tables.json["result"]["unreadable"]["bad"]
    where = "WHERE year = 2025 AND month = 1 AND day = 10"
    good = shoreline("query", f"SELECT count(*) AS n FROM good {where}", "--format", "csv")
    assert (good.exit_code, good.output.split()) == (0, ['"n"', "2"])
    bad = shoreline("query", f"SELECT count(*) AS n FROM bad {where}")
    assert bad.exit_code == 16
    assert "_manifest/bad.json" in bad.errors
    for job in ("upload", "compact"):
        ended = shoreline(job, "--json")
        assert ended.exit_code == 16, ended.errors
        assert list(ended.json["result"]["unreadable"]) == ["bad"]
