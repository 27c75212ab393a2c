"""The comparison with the record notices what disappears, and what is new."""

from __future__ import annotations

from tests.contracts.record import merged, problems, tree

RECORDED = {"backup": {"key": "string", "rows": "null|number"}}


def test_renamed_key_is_removed_and_not_recorded() -> None:
    found = problems(RECORDED, {"backup": {"name": "string", "rows": "number"}})
    assert found == ["not recorded yet: backup name (string)", "removed: backup key"]


def test_key_of_another_type_is_changed() -> None:
    assert problems(RECORDED, {"backup": {"key": "number", "rows": "null"}})[0].startswith("changed: backup key")


def test_recording_adds_keys_and_removes_none() -> None:
    assert merged(RECORDED, {"backup": {"new": "string"}})["backup"].keys() == {"key", "rows", "new"}


def test_keys_that_are_data_are_one_entry() -> None:
    assert tree({"rows": {"orders": 1, "public.events": 2}}, ("rows",))["rows.*"] == "number"
