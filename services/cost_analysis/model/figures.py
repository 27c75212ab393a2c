"""Every number that the model calculates with, and how it is known: measured, sourced or assumed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.errors import InputError

ASSUMPTIONS = Path(__file__).with_name("assumptions.toml")
MEASUREMENTS = Path(__file__).resolve().parents[1] / "measurements"


class Kind(StrEnum):
    """How a figure is known."""

    MEASURED = "measured"
    SOURCED = "sourced"
    ASSUMED = "assumed"
    GIVEN = "given"


@dataclass(frozen=True)
class ModelFigure:
    """A number; `known_from` says on what it was measured, where it was read, or why it is assumed."""

    name: str
    value: Decimal
    unit: str
    kind: Kind
    known_from: str
    stated: str = ""
    url: str = ""


class ModelFigures:
    """Figures by name. Raises InputError for a name that is not there."""

    def __init__(self, figures: Mapping[str, ModelFigure]) -> None:
        self._figures = dict(figures)

    def __getitem__(self, name: str) -> Decimal:
        return self.figure(name).value

    def __iter__(self) -> Iterator[ModelFigure]:
        return iter(self._figures.values())

    def figure(self, name: str) -> ModelFigure:
        """The figure with its provenance."""
        if name not in self._figures:
            raise InputError(f"The cost model has no figure {name!r}.")
        return self._figures[name]

    def with_values(self, **values: Decimal | None) -> ModelFigures:
        """Return these figures with some replaced by a user's values; None keeps a figure."""
        changed = dict(self._figures)
        for name, value in values.items():
            if value is not None:
                changed[name] = replace(
                    self.figure(name),
                    value=value,
                    kind=Kind.GIVEN,
                    known_from="given to `shoreline cost`",
                    stated="",
                    url="",
                )
        return ModelFigures(changed)


def load_figures() -> ModelFigures:
    """The assumptions, and what the committed measurements say. Raises InputError where one cannot be read."""
    figures = {name: _assumption(name, row) for name, row in _toml(ASSUMPTIONS).items()}
    for figure in _measured(strategies_run()):
        figures[figure.name] = figure
    for figure in _lake(_json(MEASUREMENTS / "formats.json")):
        figures[figure.name] = figure
    return ModelFigures(figures)


def strategies_run() -> Mapping[str, Any]:
    """The run of benchmarks/strategies.py that the figures come from, as it was recorded. Raises InputError."""
    return _json(MEASUREMENTS / "strategies.json")


def _assumption(name: str, row: Mapping[str, Any]) -> ModelFigure:
    try:
        kind = Kind(row["kind"])
        value, unit = Decimal(row["value"]), row["unit"]
        if kind is Kind.ASSUMED:
            return ModelFigure(name, value, unit, kind, row["why"])
        return ModelFigure(name, value, unit, kind, row["source"], row["date"], row["url"])
    except (KeyError, ValueError, ArithmeticError, TypeError) as error:
        raise InputError(f"{ASSUMPTIONS.name}: {name} is not whole: {error}") from error


def _measured(data: Mapping[str, Any]) -> Iterator[ModelFigure]:
    """Ratios and speeds of the two strategies, from one run of benchmarks/strategies.py."""
    size = Decimal(data["database"]["bytes"])
    logical, physical, wal = data["logical"], data["physical"], data["wal"]
    changed = Decimal(wal["before_incremental_changed_bytes"])
    busy = f"at a load average of {data['load_average_before']} before"
    source = (
        f"benchmarks/strategies.py, PostgreSQL {data['postgres']}, {size / 10**6:,.0f} MB, {_machine(data)}, {busy}"
    )
    stated = data["measured_at"]
    restored = Decimal(str(physical["restore_seconds"])) - Decimal(str(physical["replay_seconds"]))
    values = {
        "dump_ratio": (Decimal(logical["stored_bytes"]) / size, "bytes of dump a byte of the database"),
        "dump_mb_per_second": (_rate(size, logical["backup_seconds"]), "MB of the database/s"),
        "load_mb_per_second": (_rate(size, logical["restore_seconds"]), "MB of the database/s"),
        "base_ratio": (
            Decimal(physical["stored_bytes"]) / physical["plain_bytes"],
            "bytes stored a byte of data files",
        ),
        "base_mb_per_second": (_rate(physical["plain_bytes"], physical["backup_seconds"]), "MB of data files/s"),
        "unpack_mb_per_second": (_rate(physical["plain_bytes"], restored), "MB of data files/s"),
        "incremental_ratio": (
            Decimal(physical["incremental_stored_bytes"]) / changed,
            "bytes stored a byte of changed pages",
        ),
        "wal_factor": (Decimal(wal["before_incremental_bytes"]) / changed, "bytes of WAL a byte of changed pages"),
        "wal_ratio": (
            Decimal(wal["stored_bytes"]) / (wal["segments"] * wal["segment_bytes"]),
            "bytes stored a byte of WAL",
        ),
        "replay_mb_per_second": (_rate(physical["replay_bytes"], physical["replay_seconds"]), "MB of WAL/s"),
        "wal_segment_bytes": (Decimal(wal["segment_bytes"]), "bytes"),
        "idle_segment_bytes": (
            Decimal(wal["idle_segment_stored_bytes"]),
            "bytes stored for a segment with one small change",
        ),
    }
    for name, (value, unit) in values.items():
        yield ModelFigure(name, _rounded(value), unit, Kind.MEASURED, source, stated)


def _lake(data: Mapping[str, Any]) -> Iterator[ModelFigure]:
    """What the lake's rows take as Parquet and as CSV, from one run of benchmarks/formats.py."""
    source = f"benchmarks/formats.py, {data['rows']:,} generated orders over {data['days']} days, {_machine(data)}"
    stated = data["measured_at"]
    rows = Decimal(data["rows"])
    values = {
        "parquet_bytes_a_row": (Decimal(data["parquet_bytes"]) / rows, "bytes"),
        "csv_bytes_a_row": (Decimal(data["csv_bytes"]) / rows, "bytes"),
        "csv_gzip_bytes_a_row": (Decimal(data["csv_gzip_bytes"]) / rows, "bytes"),
        "columns_read_share": (
            Decimal(data["columns_read_bytes"]) / data["parquet_bytes"],
            "share of the Parquet bytes",
        ),
    }
    for name, (value, unit) in values.items():
        yield ModelFigure(name, _rounded(value), unit, Kind.MEASURED, source, stated)


def _machine(data: Mapping[str, Any]) -> str:
    machine = data["machine"]
    return (
        f"{machine['cores']} cores, {machine['memory_gb']} GB of memory, {machine['system']} {machine['architecture']}"
    )


def _rate(size: Decimal | int, seconds: float | Decimal) -> Decimal:
    return Decimal(size) / 10**6 / Decimal(str(seconds))


def _rounded(value: Decimal) -> Decimal:
    """Four figures: more would claim a precision that a stopwatch does not have."""
    return value if value == value.to_integral_value() else Decimal(f"{value:.4g}")


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The measurements in {path} cannot be read: {error}") from error
    return data


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The assumptions in {path} cannot be read: {error}") from error
