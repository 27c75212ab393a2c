"""`python -m tests.class_names` fails when a public class name is used twice: one name means one thing."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
# Names that are used more than once, and how often. This list only gets shorter.
KNOWN = {
    "Amount": 2,
    "Catalog": 2,
    "Column": 2,
    "Contents": 2,
    "Entry": 3,
    "Figure": 2,
    "Figures": 2,
    "Grant": 2,
    "Identity": 2,
    "Lake": 2,
    "Listed": 2,
    "Manifest": 2,
    "Outcome": 2,
    "Plan": 2,
    "Progress": 2,
    "Scan": 2,
    "Source": 3,
    "Span": 2,
    "Step": 2,
    "Summary": 2,
}


def places(*folders: Path) -> dict[str, list[str]]:
    """Return the modules that define a class at their top level, by the public name of the class."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(path.relative_to(folder.parent).as_posix())
    return found


def problems(found: dict[str, list[str]], known: dict[str, int]) -> list[str]:
    """Return a line for each new duplicate, and for each known one that has fewer places than before."""
    counts = {name: len(modules) for name, modules in found.items() if len(modules) > 1}
    new = [name for name, count in counts.items() if count > known.get(name, 1)]
    fewer = [name for name, count in known.items() if counts.get(name, 1) < count]
    return [f"class {name} is defined in {', '.join(found[name])}: rename one" for name in sorted(new)] + [
        f"class {name} is defined in fewer places than before: lower its number in KNOWN" for name in sorted(fewer)
    ]


if __name__ == "__main__":
    sys.exit("\n".join(problems(places(PROJECT / "jobs", PROJECT / "services"), KNOWN)) or 0)
