"""The check for class names that are used twice."""

from __future__ import annotations

from pathlib import Path

from tests.class_names import places, problems


def test_duplicate_class_names_are_refused_unless_known(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text("class Plan: ...\nclass _Private: ...\n")
    found = places(tmp_path)
    assert "first.py" in problems(found, {})[0]
    assert problems(found, {"Plan": 2}) == []


def test_known_duplicate_that_was_renamed_leaves_the_list() -> None:
    assert "KNOWN" in problems({"Plan": ["a.py"]}, {"Plan": 2})[0]
