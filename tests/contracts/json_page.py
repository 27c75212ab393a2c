"""The lists of docs/json.md, written from the record of what jobs print."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.local.stack import PROJECT
from tests.contracts.record import Record

PAGE = PROJECT / "docs" / "json.md"
_COMMON = ("every job", "receipt", "log line")


def rendered(page: str, record: Record) -> str:
    """Return the page with the lists of the record between its markers."""
    jobs = "\n\n".join(f"### {job}\n\n{_list(record[job])}" for job in sorted(record) if job not in _COMMON)
    for marker, text in (*((name, _list(record[name])) for name in _COMMON), ("jobs", jobs)):
        block = f"<!-- {marker} -->\n{text}\n<!-- /{marker} -->"
        pattern = f"<!-- {marker} -->.*?<!-- /{marker} -->"
        page = re.sub(pattern, lambda _, block=block: block, page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def _list(paths: Mapping[str, str]) -> str:
    """Return the paths with their types; an object is shown by its keys."""
    shown = {
        path: types
        for path, types in paths.items()
        if path != "." and not any(other.startswith((f"{path}.", f"{path}[")) for other in paths)
    }
    width = max(map(len, shown))
    lines = [f"{path:<{width}}  {types.replace('|', ' or ')}" for path, types in sorted(shown.items())]
    return "\n".join(["```text", *lines, "```"])
