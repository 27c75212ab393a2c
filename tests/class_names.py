"""`python -m tests.class_names` fails when a public class name is used twice: one name means one thing."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def places(*folders: Path) -> dict[str, list[str]]:
    """Return the modules that define a class at their top level, by the public name of the class."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(path.relative_to(folder.parent).as_posix())
    return found


def problems(found: dict[str, list[str]]) -> list[str]:
    """Return a line for each name that more than one module defines."""
    return [
        f"class {name} is defined in {', '.join(modules)}: rename one"
        for name, modules in sorted(found.items())
        if len(modules) > 1
    ]


if __name__ == "__main__":
    sys.exit("\n".join(problems(places(PROJECT / "jobs", PROJECT / "services"))) or 0)
