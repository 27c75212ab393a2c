"""The rows of a COPY block, in texts longer than what is looked at in one go."""

from __future__ import annotations

import hashlib

import pytest

from services.backups.fingerprint import Content
from services.backups.rows import Rows

_WINDOW = 1 << 16
_NULL, _CLOSING, _AFTER = b"\\N\n", b"\\.\n", b"\\.\nSELECT 1;\n"


@pytest.mark.parametrize("windows", [1, 2])
@pytest.mark.parametrize("past", range(-6, 7))
@pytest.mark.parametrize("row", [b"1\tone\n", _NULL, b"\\\\.\n"], ids=["plain", "null", "escaped backslash"])
def test_a_closing_line_is_found_wherever_a_window_cuts_it(windows: int, past: int, row: bytes) -> None:
    whole = row * ((windows * _WINDOW + past) // len(row) - 1)
    rows = whole + b"x" * (windows * _WINDOW + past - len(whole) - 1) + b"\n"
    table = Rows("t")
    assert table.take(rows + _CLOSING + _AFTER, 0) == (len(rows) + len(_CLOSING), True)
    assert table.content() == Content(rows.count(b"\n"), len(rows), hashlib.sha256(rows).hexdigest())
