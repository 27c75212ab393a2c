"""What is measured: cases, contenders, promises and growth, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from benchmarks.harness.child import Command, Finished


def _nothing() -> None:
    pass


def _accept(_: Finished) -> None:
    pass


class Role(StrEnum):
    """What a contender stands for."""

    OURS = "ours"
    PEER = "peer"
    LIMIT = "limit"
    CONTEXT = "context"


@dataclass(frozen=True)
class Work:
    """How much one run does, such as 870,000,000 bytes or 3,000,000 rows."""

    amount: int
    unit: str


@dataclass(frozen=True)
class Contender:
    """One way of doing a case's work. Made by `ours`, `peer`, `limit` and `context`."""

    role: Role
    name: str
    command: Command
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    prepare: Callable[[], object] = _nothing
    check: Callable[[Finished], object] = _accept
    inner: bool = False  # the time is the `seconds` that the command reports of itself


ours = partial(Contender, Role.OURS)
peer = partial(Contender, Role.PEER)
limit = partial(Contender, Role.LIMIT)
context = partial(Contender, Role.CONTEXT)


@dataclass(frozen=True)
class Promise:
    """How ours compares with the contender `against`, or with a plain number when that is None.

    `at_most`: our time is at most so many times the other's. `at_least`: we are at least so many times as fast.
    Against a plain number, our time in seconds (or the figure `of`) is at most `at_most`, at least `at_least`.
    """

    text: str
    against: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    of: str = "seconds"
    ours: str | None = None  # which of ours; the first when None
    sizes: tuple[str, ...] = ("medium", "large")  # at the small size, starting up is most of the time
    why: str = ""  # the physical reason with its measurement, where the bound cannot be met

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a promise has one bound: at_most or at_least")

    def value(self, mine: float, other: float | None) -> float:
        """The number that the bound is about: a plain figure, a slow-down, or a speed-up."""
        if other is None:
            return mine
        return mine / other if self.at_most is not None else other / mine

    def kept(self, value: float) -> bool:
        """Whether the number is within the bound."""
        if self.at_most is not None:
            return value <= self.at_most
        return self.at_least is not None and value >= self.at_least


@dataclass(frozen=True)
class Case:
    """One piece of work, done by each contender in turn."""

    name: str
    title: str
    work: Work
    contenders: tuple[Contender, ...]
    promises: tuple[Promise, ...] = ()
    note: str = ""  # what a reader must know to read the figures rightly
    least_runs: int = 1  # of each contender, however long they take, where the spread between runs matters
    timeout: float = 900.0

    def __post_init__(self) -> None:
        names = [contender.name for contender in self.contenders]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two contenders have one name")
        for promise in self.promises:
            if promise.against is not None and promise.against not in names:
                raise ValueError(f"{self.name}: no contender is called {promise.against!r}")


@dataclass(frozen=True)
class Point:
    """One size of a growth: how many units of work, and the run that does them."""

    amount: int
    contender: Contender


@dataclass(frozen=True)
class Growth:
    """One of ours at growing sizes. Time and memory may grow as the given power of the work: 1 is in step, 0 is flat.

    The powers are fitted between the first and the last point, after the fixed cost (the first point's share that is
    start-up) has been left in: so a small first point only makes the measured power smaller.
    """

    name: str
    title: str
    unit: str
    points: tuple[Point, ...]
    time_power: float = 1.1
    memory_power: float = 1.1
    memory_bytes: int | None = None  # a bound on the peak, where a stream must stay flat
    note: str = ""
    timeout: float = 900.0
