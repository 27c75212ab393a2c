"""What was measured: medians, spreads, ratios and verdicts, and their form as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.case import Promise, Role


@dataclass(frozen=True)
class Measured:
    """A contender's runs. `seconds` and `peak_bytes` have one entry a run; `figures` hold the medians of the rest."""

    name: str
    role: Role
    command: str
    seconds: tuple[float, ...]
    peak_bytes: tuple[int, ...]
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median time."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> int:
        """The largest memory of any run."""
        return max(self.peak_bytes, default=0)

    def figure(self, name: str) -> float:
        """The median of a figure, of which `seconds` and `peak_bytes` are two. Raises KeyError."""
        if name == "seconds":
            return self.median
        return float(self.peak) if name == "peak_bytes" else self.figures[name]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one is as another: of the medians, and between the worst and the best pairs of runs."""

    middle: float
    low: float
    high: float


def faster(mine: Measured, other: Measured) -> Ratio:
    """How many times as fast `mine` is as `other`."""
    return Ratio(
        other.median / mine.median,
        min(other.seconds) / max(mine.seconds),
        max(other.seconds) / min(mine.seconds),
    )


@dataclass(frozen=True)
class Verdict:
    """A promise and the number that was measured; `kept` is None where it is not held at this size.

    `unit` says what the number is: 'times', 'seconds', 'bytes', or a figure's name; `why`, why it is not kept.
    """

    text: str
    value: float
    unit: str
    kept: bool | None
    why: str = ""


@dataclass(frozen=True)
class CaseResult:
    """One case as measured. `left_out` names contenders that could not run here, and why."""

    room: str
    name: str
    title: str
    amount: int
    unit: str
    contenders: tuple[Measured, ...]
    verdicts: tuple[Verdict, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def of(self, role: Role) -> list[Measured]:
        """The contenders of a role, the fastest first."""
        return sorted((found for found in self.contenders if found.role == role), key=lambda found: found.median)

    @property
    def ours(self) -> Measured:
        """Ours; the first where there are several."""
        return next(found for found in self.contenders if found.role == Role.OURS)

    @property
    def best_peer(self) -> Measured | None:
        """The fastest of the peers."""
        return next(iter(self.of(Role.PEER)), None)

    @property
    def limit(self) -> Measured | None:
        """The physical limit: the slowest where there are several, as all of them bind."""
        return next(reversed(self.of(Role.LIMIT)), None)


@dataclass(frozen=True)
class GrowthPoint:
    """One size of a growth as measured."""

    amount: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class GrowthResult:
    """A growth as measured: `time_power` and `memory_power` are those of its first and last point."""

    room: str
    name: str
    title: str
    unit: str
    points: tuple[GrowthPoint, ...]
    time_power: float
    memory_power: float
    time_kept: bool
    memory_kept: bool
    note: str = ""


def verdicts(promises: Sequence[Promise], measured: Sequence[Measured], size: str) -> tuple[Verdict, ...]:
    """What became of each promise. One against a contender that did not run is left out."""
    by_name = {found.name: found for found in measured}
    first = next((found for found in measured if found.role == Role.OURS), None)
    found = []
    for promise in promises:
        mine = first if promise.ours is None else by_name.get(promise.ours)
        other = None if promise.against is None else by_name.get(promise.against)
        if mine is None or (promise.against is not None and other is None):
            continue
        value = promise.value(mine.figure(promise.of), None if other is None else other.figure(promise.of))
        kept = promise.kept(value) if size in promise.sizes else None
        why = promise.why if kept is False else ""
        found.append(Verdict(promise.text, round(value, 4), _unit(promise), kept, why))
    return tuple(found)


def _unit(promise: Promise) -> str:
    if promise.against is not None:
        return "times"
    return next((unit for unit in ("bytes", "seconds") if promise.of.endswith(unit)), promise.of)


def power(first: tuple[float, float], last: tuple[float, float]) -> float:
    """The exponent p of y = c x^p through two points (x, y): 1 is growth in step, 0 is none."""
    return math.log(last[1] / first[1]) / math.log(last[0] / first[0])


def as_json(result: CaseResult | GrowthResult) -> dict[str, Any]:
    """A result as plain values."""
    return asdict(result)


def case_from_json(given: dict[str, Any]) -> CaseResult:
    """The case that `as_json` wrote."""
    measured = tuple(
        Measured(
            **{**found, "role": Role(found["role"]), "seconds": tuple(found["seconds"]),
               "peak_bytes": tuple(found["peak_bytes"])}
        )
        for found in given["contenders"]
    )  # fmt: skip
    return CaseResult(**{**given, "contenders": measured, "verdicts": tuple(Verdict(**v) for v in given["verdicts"])})


def growth_from_json(given: dict[str, Any]) -> GrowthResult:
    """The growth that `as_json` wrote."""
    return GrowthResult(**{**given, "points": tuple(GrowthPoint(**point) for point in given["points"])})
