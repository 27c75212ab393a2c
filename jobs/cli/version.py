"""The version of this program, and the git revision that it was built from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def version_line() -> str:
    """Return `shoreline VERSION (REVISION)`, without the revision where it is not known."""
    from services import __version__

    found = revision()
    return f"shoreline {__version__} ({found})" if found else f"shoreline {__version__}"


def revision() -> str | None:
    """Return the commit that the image was built from or that is checked out here; None for an installed package."""
    built = os.environ.get("SHORELINE_REVISION", "")
    if built not in ("", "unknown"):
        return built[:12]
    if not (PROJECT / ".git").exists():
        return None
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
