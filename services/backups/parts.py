"""How large each part of a multipart upload is, when nobody knows how long the stream will be."""

from __future__ import annotations

from dataclasses import dataclass

from services.stored import MOST_PARTS

MIB = 1 << 20
SMALLEST, S3_LARGEST = 5 * MIB, 5 << 30  # bytes; Amazon S3 User Guide, "Amazon S3 multipart upload limits"
LARGEST = S3_LARGEST - 8 * MIB  # a part ends with a block, which may reach beyond the planned size by what it holds


@dataclass(frozen=True)
class PartPlan:
    """Parts that grow with the cube of their number: small while the stream is, nearly S3's largest from half-way on.

    With 10,000 parts from 8 MiB on, part 178 (1.5 GB sent) has 8.2 MiB, part 1,286 (40 GB) 95 MiB, and 30 TiB fit.
    Some stores take 1,000 parts only: then they grow ten times as fast, and 3 TiB fit.
    """

    first: int = 8 * MIB
    most: int = MOST_PARTS

    def size(self, number: int) -> int:
        """Bytes of part `number`, counted from 1."""
        ratio = S3_LARGEST / self.first - 1
        step = (number - 1) / (self.most / 2)
        return min(LARGEST, round(self.first * (1 + ratio * step**3)))

    @property
    def capacity(self) -> int:
        """Bytes that fit."""
        return sum(self.size(number) for number in range(1, self.most + 1))
