"""A release takes its notes from the changelog, and stops when tag, version and changelog differ."""

from __future__ import annotations

import runpy
from collections.abc import Callable

import pytest

from services.local.stack import PROJECT

CHANGELOG = "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- Newer.\n\n## 0.1.0 (unreleased)\n\n- First.\n"
notes: Callable[[str, str, str], str] = runpy.run_path(str(PROJECT / ".github" / "release_notes.py"))["notes"]


def test_release_notes_are_the_section_of_the_version() -> None:
    assert notes("0.2.0", CHANGELOG, "0.2.0") == "- Newer."


@pytest.mark.parametrize(
    ("version", "declared", "problem"),
    [("0.2.0", "0.1.0", "pyproject"), ("0.3.0", "0.3.0", "no section"), ("0.1.0", "0.1.0", "unreleased")],
)
def test_release_is_refused_when_its_version_is_not_stated(version: str, declared: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        notes(version, CHANGELOG, declared)
