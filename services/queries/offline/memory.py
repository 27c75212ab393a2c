"""How much memory DuckDB may take here."""

from __future__ import annotations

import os
from pathlib import Path

_FRACTION = 0.6  # Python, Arrow and the answer need the rest
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def memory_limit(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """The bytes that DuckDB may use: a fraction of the machine's memory, or of the container's where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min([machine, *_container_limits(cgroups, membership)]) * _FRACTION)


def _container_limits(cgroups: Path, membership: Path) -> list[int]:
    """The limits of the cgroups that this process is in, version 1 and 2; none outside of Linux."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    limits = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):  # a parent's limit holds too
            limits += _limit(folder / name)
            if folder == root:
                break
    return limits


def _limit(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [int(text)] if text.isdecimal() and int(text) > 0 else []
