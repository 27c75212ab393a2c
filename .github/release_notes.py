"""`python .github/release_notes.py 1.2.3` prints the changelog's section of a version.

It fails when pyproject.toml has another version, or when the section is missing or says "unreleased".
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(version: str, changelog: str, declared: str) -> str:
    """Return the section of `version`. Raises ValueError, which says what is missing."""
    if version != declared:
        raise ValueError(f"The tag names version {version}, pyproject.toml has {declared}.")
    found = re.search(rf"^## {re.escape(version)}\b([^\n]*)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no section '## {version}'.")
    if "unreleased" in found[1]:
        raise ValueError(f"CHANGELOG.md calls {version} unreleased: write the date there.")
    return found[2].strip()


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        text = notes(sys.argv[1], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"])
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{text}\n")
