"""A report as JSON's own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from services.errors import ShorelineError


def jsonable(value: Any) -> Any:
    """Dataclasses as objects, times in ISO 8601, spans in seconds, money as a string of its exact digits.

    An error is what it says.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | Path | ShorelineError):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return value
