"""PostgreSQL's programs at the end of a pipe: what they say on standard error is read as they say it."""

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

_SIZE = 1 << 20  # bytes: what an unprivileged user's pipe may hold on Linux
_SET_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)  # Linux only


def widen(pipe: IO[bytes]) -> None:
    """Lets the pipe hold 1 MiB where the system allows it: its reader is woken less often."""
    if _SET_SIZE is not None:
        with suppress(OSError):  # where the user's pipes are at their limit, it works with less
            fcntl.fcntl(pipe.fileno(), _SET_SIZE, _SIZE)


_SAID = 50  # last lines of standard error that are kept
_END_SECONDS = 10
_SILENCE_SECONDS = 1
_GATHER_SECONDS = 0.0002  # so that a program which writes little at a time does not wake its reader for each piece
# What PostgreSQL adds to an error may hold a row's values, over several lines where these do; of it the place is kept.
_ADDED = re.compile(r"(?:DETAIL|CONTEXT):  ")
_PLACE = re.compile(r'(?:CONTEXT:  )?COPY [^:]+?, line \d+(?:, column [^:"]+)?(?=:|$)')
# Of the error itself a value is what these words quote; it may contain quotes and go on in the next line.
# Source: PostgreSQL's errors of class 22, such as `value "%s" is out of range for type %s`.
_VALUE = re.compile(
    r'ERROR:  (?!invalid value for parameter).*?(?:: |\bvalue |\btime zone )"(?P<value>.*?)'
    r'(?P<after>"(?: (?:is out of range|not recognized)\b.*)?)?$'
)
_NEXT = re.compile(r"(?:psql|pg_\w+):|(?:HINT|LOCATION):  |Command was: ")


def without_values(lines: Iterable[str]) -> Iterator[str]:
    """What PostgreSQL says of an error, without what may be a row's values; of COPY, its table, line and column.

    What a function of the database's own raises is told as it says it.
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
    """The blocks of a pipe; `on_silence` is called while nothing comes."""
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
                if taken is None:  # nothing is there
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
    """A running program. Leaving its context ends it, whatever it does.

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
            start_new_session=True,  # Ctrl-C is for the job, which ends its programs itself
        )
        self._said: deque[str] = deque(maxlen=_SAID)
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
        """What the program writes, to its end. Raises its failure, here in the stream, unless it ended well.

        `on_silence` is called each second for which the program writes nothing, with the seconds since it last did.
        The time until the last block was taken does not count.
        """
        output = self._process.stdout
        assert output is not None  # noqa: S101
        blocks = iter(lambda: output.read(BLOCK), b"") if on_silence is None else _watched(output, on_silence)
        yield from blocks
        self.check()

    def write(self, blocks: Iterable[bytes], *, needs_all: bool = True) -> None:
        """Feeds the program, and waits for its end. Raises its failure unless it ended well.

        A program that does not need all of its input may end before it has read the rest.
        """
        reading = True
        for block in blocks:
            reading = reading and self.feed(block, needs_all=needs_all)
        self.end_input()
        self.check()

    def feed(self, block: bytes, *, needs_all: bool = True) -> bool:
        """Gives the program more input; says whether it took it. Raises its failure when it should have."""
        try:
            self._input.write(block)
        except BrokenPipeError:
            self.check()
            if needs_all:
                raise self._failure(f"{self.name} did not read its input to the end.") from None
            return False
        return True

    def end_input(self) -> None:
        """Tells the program that there is no more input."""
        with suppress(BrokenPipeError):  # then `check` says why
            self._input.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101
        return self._process.stdin

    def check(self) -> None:
        """Waits for the program's end. Raises its failure unless it ended well."""
        status = self._process.wait()
        self._listener.join(_END_SECONDS)
        if status == 0:
            return
        how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
        words = self._words()
        raise self._failure(f"{self.name} {how}{words}", next_step=advice(words))

    @property
    def said(self) -> tuple[str, ...]:
        """The last lines that it wrote to standard error: of a program that ended well, what it warned of."""
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
