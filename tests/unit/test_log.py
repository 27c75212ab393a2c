"""The log on a terminal."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from loguru import logger

from jobs.cli.logging import configure


class Terminal(StringIO):
    """A text that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_log_has_no_color_when_no_color_is_set(no_color: str, colored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    configure("INFO", "text", str)
    try:
        logger.info("hello")
    finally:
        logger.remove()
    assert "hello" in terminal.getvalue()
    assert ("\x1b[" in terminal.getvalue()) == colored
