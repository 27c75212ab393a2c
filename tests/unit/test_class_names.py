"""The check of `make check` that refuses a class name used twice."""

from __future__ import annotations

from pathlib import Path

from tests.class_names import places, problems


def test_duplicate_class_names_are_refused(tmp_path: Path) -> None:
    for folder, source in (("a", "class Plan: ...\nclass _Own: ..."), ("b", "class Plan: ...\nclass _Own: ...")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "module.py").write_text(source)
    (problem,) = problems(places(tmp_path / "a", tmp_path / "b"))
    assert "class Plan is defined in a/module.py, b/module.py" in problem
