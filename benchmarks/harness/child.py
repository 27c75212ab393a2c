"""One run of one command: its time, and the memory of it and of all its children."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

Command = str | Sequence[str]

_SHORTEST, _LONGEST = 0.01, 0.1  # seconds between two looks at the memory: often at first, then less
_TAIL = 2000  # characters of standard error that a failure shows


class CommandFailed(Exception):
    """A contender ended with an error: there is no time to compare."""


@dataclass(frozen=True)
class Finished:
    """A run that ended well. `peak_bytes` is the largest sum of the resident sizes of the command's processes.

    `cpu_seconds` is the processor time that they took: servers, which others started, do not count.
    """

    seconds: float
    peak_bytes: int
    cpu_seconds: float
    output: str = field(default="", repr=False)

    @property
    def figures(self) -> dict[str, float]:
        """The numbers of the JSON object on the last line of the output; empty when there is none."""
        lines = self.output.strip().splitlines()
        try:
            found: Any = json.loads(lines[-1]) if lines else None
        except ValueError:
            return {}
        if not isinstance(found, dict):
            return {}
        return {name: value for name, value in found.items() if isinstance(value, int | float)}


def arguments(command: Command) -> list[str]:
    """The command as a list; a string is a line for bash in which any failing part fails the whole."""
    if isinstance(command, str):
        return ["bash", "-c", f"set -euo pipefail; {command}"]
    return list(map(str, command))


def run(command: Command, env: Mapping[str, str], folder: Path, timeout: float) -> Finished:
    """Runs the command in `folder` to its end. Raises CommandFailed when it fails or takes longer than `timeout`."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began, spent = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(
            arguments(command), env=dict(env), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        memory = _Memory(process.pid)
        memory.start()
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            seconds = time.perf_counter() - began
            memory.stop()
            if process.poll() is None:
                _end(process.pid)
                process.wait()
        output.seek(0)
        errors.seek(0)
        if code != 0:
            how = f"took longer than {timeout:.0f} s" if code is None else f"ended with {code}"
            told = errors.read().decode(errors="replace")[-_TAIL:].strip()
            raise CommandFailed(f"{arguments(command)[-1][:200]}: {how}\n{told}")
        return Finished(seconds, memory.peak, _cpu_of_children() - spent, output.read().decode(errors="replace"))


def _cpu_of_children() -> float:
    """Seconds of processor time of all processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _end(pid: int) -> None:
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.Error:
        return
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue


class _Memory(threading.Thread):
    """Looks at the resident sizes of a process and its descendants, and keeps the largest sum."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        pause = _SHORTEST
        while not self._over.wait(pause):
            self.peak = max(self.peak, _resident(self._pid))
            pause = min(pause * 1.2, _LONGEST)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _resident(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total
