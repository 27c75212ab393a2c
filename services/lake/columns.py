"""Arrow's columns of numpy's arrays."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import pyarrow as pa


def from_numpy(values: npt.NDArray[Any], kind: Any, valid: pa.Buffer | None = None) -> Any:
    """The memory of `values` as a column of `kind`, not copied; `valid` is a bitmap of those that are not NULL.

    pa.array() would do, but imports numpy.ma for it, which takes as long as 100,000 rows.
    """
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(values.data)])
