"""Sets of partitions over the keys' declared ranges, exact, as bits of one integer.

A table's possible partitions are the product of its keys' ranges: seven years by 12 months by 31 days are 2,604.
A set of them is an int with one bit a partition, so that AND, OR and NOT of conditions are single operations and
nothing is approximated: `(year = 2024 AND month = 12) OR (year = 2025 AND month = 1)` is the set it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from services.lake.partitions import PartitionKey


@dataclass(frozen=True)
class Domain:
    """All possible partitions of a table.

    The bits of `everything` are the partitions, in the order of their values. One bit more, `absent`, stands for
    the row of NULLs that an outer join puts where it found no match: a condition that holds for it cannot be
    moved to the scan.
    """

    keys: tuple[PartitionKey, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(key.last - key.first + 1 for key in self.keys)

    @cached_property
    def size(self) -> int:
        """How many partitions there can be."""
        return prod(self.sizes)

    @cached_property
    def everything(self) -> int:
        return (1 << self.size) - 1

    @cached_property
    def absent(self) -> int:
        return 1 << self.size

    def key(self, name: str) -> PartitionKey | None:
        return next((key for key in self.keys if key.name == name), None)

    def where(self, name: str, values: Iterable[int]) -> int:
        """The bits of the partitions whose key `name` is one of `values`; values out of its range have none."""
        at = next(index for index, key in enumerate(self.keys) if key.name == name)
        first, size = self.keys[at].first, self.sizes[at]
        run = prod(self.sizes[at + 1 :])
        block = sum(((1 << run) - 1) << ((value - first) * run) for value in set(values) if 0 <= value - first < size)
        span, times = run * size, prod(self.sizes[:at])
        return block * _repeat(span, times)

    def position(self, values: Sequence[int]) -> int | None:
        """The bit's position of one partition, None when a value is out of its key's range."""
        place = 0
        for key, size, value in zip(self.keys, self.sizes, values, strict=True):
            if not key.first <= value <= key.last:
                return None
            place = place * size + value - key.first
        return place

    def values(self, place: int) -> tuple[int, ...]:
        """The partition at a bit's position."""
        found: list[int] = []
        for key, size in zip(reversed(self.keys), reversed(self.sizes), strict=True):
            place, offset = divmod(place, size)
            found.append(key.first + offset)
        return tuple(reversed(found))


def _repeat(span: int, times: int) -> int:
    """An int with a bit at every multiple of `span`, `times` of them: multiplied by a block, it repeats it."""
    return ((1 << (span * times)) - 1) // ((1 << span) - 1)


@dataclass(frozen=True)
class PartitionSet:
    """Some of a table's possible partitions."""

    domain: Domain
    bits: int

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, values: Sequence[int]) -> bool:
        place = self.domain.position(values)
        return place is not None and bool(self.bits >> place & 1)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        digits = f"{self.bits:b}"[::-1]  # an int of thousands of years is copied by each operation on it
        place = digits.find("1")
        while place >= 0:
            yield self.domain.values(place)
            place = digits.find("1", place + 1)

    def _by_key(self) -> list[set[int]]:
        """The values of each key that some of the partitions have."""
        found: list[set[int]] = [set() for _ in self.domain.keys]
        for values in self:
            for seen, value in zip(found, values, strict=True):
                seen.add(value)
        return found

    def __str__(self) -> str:
        """The set in a person's words: `year=2025 month=1 day=10..12`, or a count where it is no such product."""
        if not self.bits:
            return "no partition"
        chosen = [sorted(values) for values in self._by_key()]
        if prod(map(len, chosen)) != len(self):
            return f"{len(self)} of {self.domain.size} possible partitions"
        named = zip(self.domain.keys, chosen, self.domain.sizes, strict=True)
        parts = [f"{key.name}={_runs(values)}" for key, values, size in named if len(values) < size]
        return " ".join(parts) or "all partitions"


def _runs(values: Sequence[int]) -> str:
    """`1,3..5` of 1, 3, 4, 5."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
