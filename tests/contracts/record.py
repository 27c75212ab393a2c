"""Records of what other programs rely on. What is recorded stays; a command adds what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("recorded")
REFRESH = "make contracts"
Record = dict[str, dict[str, str]]
"""By subject, such as a job: each path or name, and what is promised of it, such as its types."""


def tree(value: Any, data_keyed: Iterable[str] = ()) -> dict[str, str]:
    """Return the paths of a JSON value with their types, `a.b[].c` for an element.

    `data_keyed` are the endings of paths whose keys are data, such as names of tables: `*` stands for those.
    """
    found: dict[str, set[str]] = {}
    _walk(value, "", tuple(f".{ending}" for ending in data_keyed), found)
    return {path: "|".join(sorted(types)) for path, types in sorted(found.items())}


def _walk(value: Any, path: str, data_keyed: tuple[str, ...], found: dict[str, set[str]]) -> None:
    found.setdefault(path or ".", set()).add(_type(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            name = "*" if f".{path}".endswith(data_keyed) else key
            _walk(item, f"{path}.{name}" if path else name, data_keyed, found)
    elif isinstance(value, list):
        for item in value:
            _walk(item, f"{path}[]", data_keyed, found)


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def union(*trees: Mapping[str, str]) -> dict[str, str]:
    """Return all paths of several trees, each with all its types."""
    types: dict[str, set[str]] = {}
    for each in trees:
        for path, names in each.items():
            types.setdefault(path, set()).update(names.split("|"))
    return {path: "|".join(sorted(names)) for path, names in sorted(types.items())}


def read(name: str) -> Record:
    """Return what is recorded; nothing before the first time."""
    path = RECORDED / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def problems(recorded: Record, present: Record) -> list[str]:
    """Return what was removed or changed since it was recorded, and what is new and not recorded yet."""
    found = []
    for subject in sorted(recorded.keys() | present.keys()):
        before, now = recorded.get(subject, {}), present.get(subject, {})
        found += [f"removed: {subject} {path}" for path in before.keys() - now.keys()]
        for path, promise in now.items():
            new = set(promise.split("|")) - set(before.get(path, "").split("|"))
            if path not in before:
                found.append(f"not recorded yet: {subject} {path} ({promise})")
            elif new:
                found.append(f"changed: {subject} {path} was {before[path]}, is {promise}")
    return sorted(found)


def merged(recorded: Record, present: Record) -> Record:
    """Return the record with what is new. Nothing leaves it here: who removes a promise does so in the file."""
    subjects = sorted(recorded.keys() | present.keys())
    return {name: union(recorded.get(name, {}), present.get(name, {})) for name in subjects}


def write(name: str, record: Record) -> None:
    """Write a record, one line a path, so that a change of it is one line of a diff."""
    RECORDED.mkdir(exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
    (RECORDED / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
