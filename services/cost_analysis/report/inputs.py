"""The inputs of an analysis, and how the options of `shoreline cost` are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services import formatting
from services.cost_analysis.model.figures import MEASUREMENTS, ModelFigures
from services.cost_analysis.model.scenario import Scenario, scenario
from services.costs.prices import PriceList
from services.errors import InputError

SIZES = (10 * 10**9, 100 * 10**9, 10**12)


@dataclass(frozen=True)
class Inputs:
    """Prices, figures, a region and the sizes to compare. `demo` is this project's own run, for its own analysis."""

    prices: PriceList
    figures: ModelFigures
    region: str
    sizes: tuple[int, ...] = SIZES
    demo: Mapping[str, Any] | None = None
    charts: str = "docs/charts"

    def scenarios(self) -> list[Scenario]:
        """A scenario for each size."""
        return [scenario(size, self.region, self.prices, self.figures) for size in self.sizes]

    @property
    def centre(self) -> Scenario:
        """The size in the middle, around which inputs are varied."""
        return self.scenarios()[len(self.sizes) // 2]


def read_demo() -> Mapping[str, Any]:
    """Read the recorded run of the demo: the output of `shoreline demo --json`. Raises InputError."""
    path = MEASUREMENTS / "demo.json"
    try:
        data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise InputError(f"The demo's result in {path} cannot be read: {error}") from error
    return data


def size_name(size: int) -> str:
    """A database's size as a heading: '10 GB', '1 TB'."""
    return formatting.size(size).replace(".0 ", " ")


def parse_size(text: str) -> int:
    """Bytes from '100GB'. Raises InputError, also for a number alone: nobody means a database of 100 bytes."""
    from services.settings.fields import byte_count

    how = "write 500MB, 100GB or 1.5TB (GiB for 2^30 bytes)"
    if text.strip().replace(".", "", 1).isdecimal():
        raise InputError(f"--size: {text!r} has no unit: {how}.")
    try:
        size = byte_count(text)
    except ValueError:
        raise InputError(f"--size: {text!r} is not a size: {how}.") from None
    return int(str(size))


def parse_share(text: str) -> Decimal:
    """A share from '2%' or '0.02'. Raises InputError."""
    number, percent = (text.strip().removesuffix("%"), True) if text.strip().endswith("%") else (text, False)
    try:
        share = Decimal(number)
    except ArithmeticError:
        raise InputError(f"--daily-change: {text!r} is not a share: write 2% or 0.02.") from None
    return share / 100 if percent else share


def parse_days(text: str) -> Decimal:
    """Days from '30'. Raises InputError."""
    try:
        return Decimal(text)
    except ArithmeticError:
        raise InputError(f"--keep: {text!r} is not a number of days: write 30.") from None
