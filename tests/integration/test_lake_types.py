"""Values at the limits of every type survive export, upload, tables and query."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from tests.conftest import Shoreline
from tests.integration.test_export_types import KEPT

IN_JANUARY = "FROM limits WHERE year = 2025 AND month = 1"


def _fill(execute: Callable[[str], None]) -> int:
    """Create a table with a column for each type, and return its number of rows."""
    count = max(len(values) for _, _, values in KEPT)
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(KEPT))
    execute(f"CREATE TABLE limits (n int, at timestamptz, {columns})")
    for row in range(count):
        values = [[*values, *["NULL"] * count][row] for _, _, values in KEPT]
        execute(f"INSERT INTO limits VALUES ({row}, '2025-01-10', {', '.join(values)})")
    return count


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _as_json(value: Any, kind: str) -> Any:
    """Return what a query prints for a value that an export stored in a column of the type."""
    if isinstance(value, list):
        return [_as_json(item, kind) for item in value]
    if kind == "real" and value is not None and math.isfinite(value):
        return float(str(np.float32(value)))
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else value.hex(" ") if isinstance(value, bytes) else value


def test_values_at_the_limits_survive_the_whole_way(shoreline: Shoreline, execute: Callable[[str], None]) -> None:
    rows = _fill(execute)
    for arguments in (("export", "--table", "public.limits:at"), ("upload",)):
        outcome = shoreline(*arguments)
        assert outcome.exit_code == 0, outcome.output + outcome.errors
    tables = shoreline("tables", "--json").json["result"]["tables"]
    assert [table["rows"] for table in tables if table["name"] == "limits"] == [rows]
    queried = shoreline("query", f"SELECT * {IN_JANUARY} ORDER BY n", "--format", "json")
    assert queried.exit_code == 0, queried.errors
    answer = json.loads(queried.output.replace("+00:00", ""), parse_constant=_refuse)  # of times in arrays
    for number, (kind, _, values) in enumerate(KEPT):
        expected = [_as_json(value, kind) for value in [*values.values(), *[None] * rows][:rows]]
        assert [row[f"c{number}"] for row in answer] == expected, kind
    assert shoreline("query", f"SELECT * {IN_JANUARY}", "--json").exit_code == 0
