"""Pipes between us and the programs that we start."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from typing import IO

_SIZE = 1 << 20  # bytes: what an unprivileged user's pipe may hold on Linux
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only


def widen(pipe: IO[bytes]) -> None:
    """Lets the pipe hold 1 MiB where the system allows it: its reader is woken less often."""
    if _SET_SIZE is not None:
        with suppress(OSError):  # where the user's pipes are at their limit, it works with less
            fcntl.fcntl(pipe.fileno(), _SET_SIZE, _SIZE)
