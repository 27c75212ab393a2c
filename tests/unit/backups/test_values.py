"""Manifests come back as they were written, what is none is refused, and fingerprints tell their differences."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.backups.fingerprint import Content, Fingerprint, Sequence, differences
from services.backups.manifest import BackupManifest, DatabaseGrant, DatabaseTraits, DrillRecord, File

AT = datetime(2025, 6, 10, 14, 30, 22, tzinfo=UTC)
HELD = Fingerprint(
    tables={"public.users": Content(5, 100, "aa"), "public.orders": Content(7, 90, "bb")},
    schema={"TABLE public.users": "11", "INDEX public.users_pkey": "22"},
    sequences={"public.users_id_seq": Sequence(5, True)},
    large_objects=Content(1, 10, "cc"),
)
MANIFEST = BackupManifest(
    format_version=1,
    tool_version="0.1.0",
    run_id="abcd",
    lease_token=3,
    database='odd "name"',
    taken_at=AT,
    server_version="18.4",
    client_version="18.4",
    format="plain",
    object=File("backup_20250610_143022.sql.gz", 123, "dd"),
    plain_bytes=500,
    database_bytes=8_000_000,
    seconds=1.5,
    encrypted=False,
    fingerprint=HELD,
    traits=DatabaseTraits(
        "UTF8", "libc", "C", "C", owner="app", settings=("search_path=a, b",), grants=(DatabaseGrant(None, "CONNECT"),)
    ),
)


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert BackupManifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_a_drill_record_comes_back_as_it_was_written() -> None:
    record = DrillRecord(AT, False, 1.5, 0.5, "18.4", 3, 12, ("table a: 1 rows became 2",))
    assert DrillRecord.from_json(record.to_json()) == record


def test_a_manifest_of_a_later_format_is_refused_and_an_unknown_field_of_this_one_is_not() -> None:
    fields = json.loads(MANIFEST.to_json())
    assert BackupManifest.from_json(json.dumps(fields | {"added_later": 1}).encode()) == MANIFEST
    with pytest.raises(ValueError, match="format version 2 is later"):
        BackupManifest.from_json(json.dumps(fields | {"format_version": 2}).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"format_version": 1}', MANIFEST.to_json()[:-5]])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is pydantic's
        BackupManifest.from_json(text)


def test_equal_fingerprints_have_no_difference() -> None:
    assert differences(HELD, replace(HELD)) == []


def test_every_difference_is_named() -> None:
    found = Fingerprint(
        tables={
            "public.users": Content(4, 80, "ab"),
            "public.orders": Content(7, 90, "b0"),
            "public.new": Content(1, 2, ""),
        },
        schema={"TABLE public.users": "12", "INDEX public.orders_pkey": "22"},
        sequences={"public.users_id_seq": Sequence(4, True)},
    )
    assert differences(HELD, found) == [
        "table public.new: none became 1",
        "table public.orders: the content of its 7 rows differs",
        "table public.users: 5 rows became 4",
        "large objects: 1 became none",
        "sequence public.users_id_seq: 5 became 4",
        "schema INDEX public.orders_pkey: was not there",
        "schema INDEX public.users_pkey: missing",
        "schema TABLE public.users: differs",
    ]
    told = differences(HELD, found, compare_schema=False)
    assert not any(line.startswith("schema") for line in told)


def test_the_totals_are_of_all_tables() -> None:
    assert HELD.rows == 12
