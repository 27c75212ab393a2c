"""Types with bounds for what is read from the bucket: whoever may write there may write anything."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Rows, bytes or tokens."""
Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
"""A duration, at most some thirty years."""
ShortText = Annotated[str, Field(max_length=1000)]
"""A name of a host, a job or a run."""
Moment = AwareDatetime
"""A time with its zone."""

DOCUMENT_BYTES = 256_000_000
"""The most that is read of one JSON document; a manifest of 100,000 tables has a tenth of it."""


def first_fault(error: ValidationError) -> str:
    """Return where a document is wrong first, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'text'}: {first['msg']}"


def document(text: bytes, version: int, kind: TypeAdapter[Any]) -> Any:
    """Return a JSON document of this version. Raises ValueError for anything else, however deep or odd."""
    found = from_json(text)
    stored = found.get("version") if isinstance(found, dict) else None
    if stored != version:
        raise ValueError(f"its version is {stored!r}, and this program knows {version}")
    try:
        return kind.validate_python(found)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None
