"""Bounded types for documents in the bucket, which anyone with write access may have changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Rows, bytes or tokens."""
Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
"""A duration of at most about thirty years."""
ShortText = Annotated[str, Field(max_length=1000)]
"""A name of a host, a job or a run."""
EncodingName = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_]{1,63}\z")]
"""A PostgreSQL encoding."""
Moment = AwareDatetime
"""A time with its zone."""

DOCUMENT_BYTES = 256_000_000
"""The maximum size of a JSON document; a manifest of 100,000 tables has a tenth of it."""


def first_fault(error: ValidationError) -> str:
    """Return the place and the reason of the first error in a document."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'text'}: {first['msg']}"


def document(text: bytes, version: int, kind: TypeAdapter[Any]) -> Any:
    """Parse a JSON document of this version. Raises ValueError for anything else."""
    value = from_json(text)
    stored = value.get("version") if isinstance(value, dict) else None
    if stored != version:
        raise ValueError(f"version {stored!r} is not supported: expected {version}")
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None
