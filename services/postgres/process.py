"""Runs PostgreSQL's programs through pipes, and reads their standard error as it is written."""

from __future__ import annotations

import fcntl
import io
import os
import re
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from services.backups.stream import BLOCK
from services.errors import ShorelineError
from services.postgres.errors import advice

_PIPE_BYTES = 1 << 20  # the limit of an unprivileged user's pipe on Linux
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only


def widen(pipe: IO[bytes]) -> None:
    """Set the pipe's capacity to 1 MiB if the system allows it, to wake its reader less often."""
    if _SET_SIZE is not None:
        with suppress(OSError):  # the user's pipes are at their limit
            fcntl.fcntl(pipe.fileno(), _SET_SIZE, _PIPE_BYTES)


_STDERR_TAIL_LINES = 50
_END_SECONDS = 10
_SILENCE_SECONDS = 1
_GATHER_SECONDS = 0.0002  # collects small writes of a program into one read
# Details of an error may contain a row's values, over several lines. Only the place is kept.
_ADDED = re.compile(r"(?:DETAIL|CONTEXT):  ")
_PLACE = re.compile(r'(?:CONTEXT:  )?COPY [^:]+?, line \d+(?:, column [^:"]+)?(?=:|$)')
# Values quoted in the error itself, which may contain quotes and line breaks.
# Source: PostgreSQL's errors of class 22, such as `value "%s" is out of range for type %s`.
_VALUE = re.compile(
    r'ERROR:  (?!invalid value for parameter).*?(?:: |\bvalue |\btime zone )"(?P<value>.*?)'
    r'(?P<after>"(?: (?:is out of range|not recognized)\b.*)?)?$'
)
_NEXT = re.compile(r"(?:psql|pg_\w+):|(?:HINT|LOCATION):  |Command was: ")


def without_values(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of PostgreSQL's errors without values of rows; of COPY, the table, line and column.

    Messages that a function of the database raises are not changed.
    """
    hidden = False
    for line in lines:
        hidden = not _NEXT.match(line) if hidden else _ADDED.match(line) is not None
        if not hidden:
            quoted = _VALUE.search(line)
            hidden = quoted is not None and quoted["after"] is None
            yield f"{line[: quoted.start('value')]}...{quoted['after'] or ''}" if quoted else line
        elif place := _PLACE.match(line):
            yield place[0]


def _watched(output: IO[bytes], on_silence: Callable[[float], None]) -> Iterator[bytes]:
    """Yield the blocks of a pipe; call `on_silence` while it is silent."""
    assert isinstance(output, io.BufferedReader)  # noqa: S101
    os.set_blocking(output.fileno(), False)
    block = memoryview(bytearray(BLOCK))
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        ended = False
        while not ended:
            size = 0
            while size < BLOCK and not ended:
                taken: int | None = output.readinto(block[size:])
                if taken is None:  # no data yet
                    began = time.monotonic()
                    while not selector.select(_SILENCE_SECONDS):
                        on_silence(time.monotonic() - began)
                    time.sleep(_GATHER_SECONDS)
                else:
                    size += taken
                    ended = taken == 0
            if size:
                yield bytes(block[:size])


class Program:
    """A running program, which is terminated when its context ends.

    It gets an input when it `reads`, and has an output when it `writes`. `failure` is raised when it fails.
    """

    def __init__(
        self,
        command: Sequence[str | Path | bytes],
        env: Mapping[str, str],
        failure: type[ShorelineError],
        *,
        reads: bool = False,
        writes: bool = False,
    ) -> None:
        self.name = Path(os.fsdecode(command[0])).name
        self._failure = failure
        self._process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE if writes else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to the job, which stops its programs
        )
        self._said: deque[str] = deque(maxlen=_STDERR_TAIL_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True, name=f"{self.name} stderr")
        self._listener.start()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                widen(pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._listener.join(_END_SECONDS)
        if self._process.stdin is not None:
            self.end_input()

    def blocks(self, on_silence: Callable[[float], None] | None = None) -> Iterator[bytes]:
        """Yield the program's output. Raises the failure, within the stream, of a program that fails.

        `on_silence` is called each second without output, with the seconds since the reader began to wait.
        """
        output = self._process.stdout
        assert output is not None  # noqa: S101
        blocks = iter(lambda: output.read(BLOCK), b"") if on_silence is None else _watched(output, on_silence)
        yield from blocks
        self.check()

    def write(self, blocks: Iterable[bytes]) -> None:
        """Write all of the program's input, and wait for its end. Raises its failure."""
        for block in blocks:
            self.feed(block)
        self.end_input()
        self.check()

    def feed(self, block: bytes, *, needs_all: bool = True) -> bool:
        """Write more input and return whether the program read it. Raises its failure."""
        try:
            self._input.write(block)
        except BrokenPipeError:
            self.check()
            if needs_all:
                raise self._failure(f"{self.name} did not read its input to the end.") from None
            return False
        return True

    def end_input(self) -> None:
        """Close the program's input."""
        with suppress(BrokenPipeError):  # `check` reports why
            self._input.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101
        return self._process.stdin

    def check(self) -> None:
        """Wait for the program's end. Raises its failure."""
        status = self._process.wait()
        self._listener.join(_END_SECONDS)
        if status == 0:
            return
        how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
        words = self._words()
        raise self._failure(f"{self.name} {how}{words}", next_step=advice(words))

    @property
    def said(self) -> tuple[str, ...]:
        """The last lines on standard error; after a success, its warnings."""
        return tuple(line for line in self._said if line)

    def _words(self) -> str:
        lines = self.said
        first = next((line for line in lines if "error:" in line or "ERROR:" in line), None)
        shown = [line for line in lines if line != first][-3:]
        return "".join(f"\n  {line}" for line in ([first] if first else []) + shown) if lines else "."

    def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101
        for line in without_values(line.decode(errors="replace").rstrip() for line in self._process.stderr):
            self._said.append(line)
