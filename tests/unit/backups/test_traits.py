"""What a manifest may say of its database: each value is of its kind, or the manifest is damage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.backups.manifest import BackupManifest, DatabaseTraits
from tests.unit.backups.test_values import MANIFEST


@pytest.mark.parametrize(
    "forged",
    [
        {"grants": [{"role": None, "privilege": "CONNECT ON DATABASE postgres TO PUBLIC; SELECT 1; GRANT CONNECT"}]},
        {"locale_provider": "builtin IS_TEMPLATE true"},
        {"lc_monetary": "C\t-c\tsession_preload_libraries=x"},
        {"lc_monetary": "C\n-c\nlog_statement=all"},
        {"lc_monetary": "C\u00a0-c"},
        {"collate": "C\x00"},
        {"encoding": "UTF8' TEMPLATE x"},
        {"owner": ""},
        {"roles": ["a\x00"]},
        {"settings": ["search_path"]},
        {"settings": ["=x"]},
        {"role_settings": [{"role": "r", "setting": "work_mem=\x00"}]},
        {"connection_limit": 2**31},
        {"connection_limit": -2},
        {"tablespace": "x" * 256},
        {"comment": "a\x00b"},
    ],
)
def test_manifest_with_forged_traits_is_refused(forged: dict[str, Any]) -> None:
    fields = json.loads(MANIFEST.to_json())
    with pytest.raises(ValueError, match=r"traits\."):
        BackupManifest.from_json(json.dumps(fields | {"traits": fields["traits"] | forged}).encode())


@pytest.mark.parametrize(
    ("part", "forged"),
    [
        ("facts", {"extensions": {"x": {"version": "1" * 1001, "owner": "postgres"}}}),
        ("facts", {"extensions": {"x": {"version": "1", "owner": "a\x00"}}}),
        ("facts", {"access_methods": {"t" * 1001: "columnar"}}),
        ("facts", {"foreign_keys": {"f of t (RI)": "X"}}),
        ("facts", {"left_out": ["t" * 1001]}),
        ("fingerprint", {"encoding": "UTF8; SELECT 1"}),
    ],
)
def test_manifest_with_unbounded_facts_is_refused(part: str, forged: dict[str, Any]) -> None:
    fields = json.loads(MANIFEST.to_json())
    facts: dict[str, Any] = {"extensions": {}, "access_methods": {}, "foreign_keys": {}, "left_out": []}
    fields |= {"facts": facts}
    with pytest.raises(ValueError, match=part):
        BackupManifest.from_json(json.dumps(fields | {part: fields[part] | forged}).encode())


@pytest.mark.parametrize("version", ["", "x", "18.4\n", "18.", "1" * 5000])
def test_manifest_with_an_unreadable_version_is_refused(version: str) -> None:
    fields = json.loads(MANIFEST.to_json())
    with pytest.raises(ValueError, match="server_version"):
        BackupManifest.from_json(json.dumps(fields | {"server_version": version}).encode())


def test_manifest_takes_what_postgresql_may_hold() -> None:
    fields = json.loads(MANIFEST.to_json())
    odd = {
        "collate": "Norwegian (Bokmål)_Norway.1252",
        "locale": "de-u-co-phonebk@x=y",
        "owner": "line\nbreak",
        "comment": "tab\tand\x1b",
        "settings": ["app.text=a=b\nc", "search_path="],
        "icu_rules": "&b < a\n",
    }
    manifest = BackupManifest.from_json(json.dumps(fields | {"traits": fields["traits"] | odd}).encode())
    assert isinstance(manifest.traits, DatabaseTraits)
    assert manifest.traits.comment == odd["comment"]
