"""docs/faults.md names tests that exist, and every fault test of the backups is on it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")))


def defined(pattern: str) -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob(pattern))
    return set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))


def test_every_test_that_the_page_names_exists() -> None:
    assert defined("tests/**/test_*.py") >= PAGE


def test_every_fault_test_of_the_backups_is_on_the_page() -> None:
    assert defined("tests/faults/test_backup_*.py") - PAGE == {
        "test_something_else_under_the_leases_key_is_not_taken_for_a_lease",
        "test_a_store_without_s3s_checksums_takes_backups",
    } & defined("tests/faults/test_backup_*.py")
