"""Streams between programs and compressed files."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from isal import igzip_threaded

from services.backups.stream import GZIP_LEVEL

_BLOCK = 2**20


@dataclass
class Stopwatch:
    """Seconds of wall time, known when the block has ended."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measures the block."""
    watch = Stopwatch()
    began = time.monotonic()
    yield watch
    watch.seconds = round(time.monotonic() - began, 3)


def _opened(path: Path, mode: str) -> IO[bytes]:
    """A compressed file, (de)compressed by a thread beside."""
    opened = igzip_threaded.open(path, mode, compresslevel=GZIP_LEVEL, threads=1)  # type: ignore[no-untyped-call]
    return cast(IO[bytes], opened)


def compress(process: subprocess.Popen[bytes], target: Path) -> int:
    """A program's output, compressed into a file by a thread beside; gives the bytes before."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    count = 0
    with _opened(target, "wb") as file:
        while block := process.stdout.read(_BLOCK):
            count += len(block)
            file.write(block)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    assert process.wait() == 0, errors
    return count


def decompressed(source: Path, process: subprocess.Popen[bytes]) -> None:
    """Feeds a compressed file into a program."""
    assert process.stdin is not None
    with _opened(source, "rb") as file:
        shutil.copyfileobj(file, process.stdin, _BLOCK)
    process.stdin.close()
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    assert process.wait() == 0, errors


def manifest_of(backup: Path) -> bytes:
    """The manifest inside a base backup that was streamed as tar."""
    with _opened(backup, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == "backup_manifest":
                content = archive.extractfile(member)
                assert content is not None
                return content.read()
    raise AssertionError("the base backup holds no manifest")
