"""The results as files: one a day and size, with the machine, the versions and the commands."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness.case import Role
from benchmarks.harness.results import CaseResult, GrowthResult, as_json, case_from_json, growth_from_json

_LONG_ENOUGH = 0.03  # seconds
FOLDER = Path(__file__).resolve().parents[1] / "results"
BASELINE = FOLDER / "baseline.json"  # the small size, which a regression check is held against


@dataclass(frozen=True)
class Record:
    """Everything that one run, or several of one day, measured.

    `load` is the machine's load average over the minute before: the highest where there were several runs.
    """

    taken_on: str
    size: str
    machine: Mapping[str, str | int]
    versions: Mapping[str, str]
    peers: Mapping[str, list[str]]
    cases: tuple[CaseResult, ...] = ()
    growths: tuple[GrowthResult, ...] = field(default=())
    load: float | None = None

    def merged(self, newer: Record) -> Record:
        """This record with what `newer` measured again in the place of what stood here."""
        cases = {(case.room, case.name): case for case in (*self.cases, *newer.cases)}
        growths = {(growth.room, growth.name): growth for growth in (*self.growths, *newer.growths)}
        return Record(
            newer.taken_on,
            newer.size,
            newer.machine,
            {**self.versions, **{k: v for k, v in newer.versions.items() if v != "not used" or k not in self.versions}},
            {**self.peers, **newer.peers},
            tuple(cases.values()),
            tuple(growths.values()),
            max((load for load in (self.load, newer.load) if load is not None), default=None),
        )


def machine() -> dict[str, str | int]:
    """This machine, as far as the figures depend on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 10**9),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def path(taken_on: str, size: str) -> Path:
    """Where the record of a day and size lies."""
    return FOLDER / f"{taken_on}-{size}.json"


def write(record: Record, to: Path) -> None:
    """Writes a record, in the same order each time."""
    content = {
        "taken_on": record.taken_on,
        "size": record.size,
        "machine": dict(record.machine),
        "load": record.load,
        "versions": dict(sorted(record.versions.items())),
        "peers": dict(sorted(record.peers.items())),
        "cases": [as_json(case) for case in record.cases],
        "growths": [as_json(growth) for growth in record.growths],
    }
    to.parent.mkdir(exist_ok=True)
    to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(source: Path) -> Record:
    """The record that `write` wrote."""
    given: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return Record(
        **{
            **given,
            "cases": tuple(map(case_from_json, given["cases"])),
            "growths": tuple(map(growth_from_json, given["growths"])),
        }
    )


def newest(size: str) -> Path | None:
    """The newest record of a size, or None."""
    return max(FOLDER.glob(f"????-??-??-{size}.json"), default=None)


def keep(record: Record) -> Path:
    """Adds a record to the file of its day and size."""
    to = path(record.taken_on, record.size)
    write(read(to).merged(record) if to.exists() else record, to)
    return to


def ratios(cases: Sequence[CaseResult], at_least: float = 0.0) -> dict[str, float]:
    """How many times as fast ours is as each peer and each limit that took `at_least` so many seconds.

    Of the best runs: on a busy machine they move less than the medians.
    """
    return {
        f"{case.room}/{case.name} against {other.name}": round(min(other.seconds) / min(case.ours.seconds), 4)
        for case in cases
        for other in (*case.of(Role.PEER), *case.of(Role.LIMIT))
        if min(other.seconds) >= at_least
    }


def kept_ratios(cases: Sequence[CaseResult]) -> dict[str, float]:
    """The ratios that a later run is held against: so short a time as is left out says more of the machine than of us.

    Which they are is decided here alone: a later run has all of them, however short its times.
    """
    return ratios(cases, at_least=_LONG_ENOUGH)


def left_out(cases: Sequence[CaseResult]) -> dict[str, str]:
    """The ratios that could not be measured because a peer could not be had or failed, and why."""
    return {f"{case.room}/{case.name} against {name}": why for case in cases for name, why in case.left_out.items()}
