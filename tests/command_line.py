"""The command line as tests run it: forked from a process that has imported it, or in an interpreter of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from services.local.stack import PROJECT

FORKS = multiprocessing.get_context("forkserver")
"""Makes processes that cost a fork, not an interpreter's start."""
NOWHERE = Path(os.devnull)
FORKS.set_forkserver_preload(["tests.preloaded"])


@dataclass(frozen=True)
class Outcome:
    """How a run of the command line ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.output)


Shoreline = Callable[..., Outcome]


def fresh(arguments: list[str], env: Mapping[str, str], folder: Path, timeout: float) -> Outcome:
    """Runs `shoreline ARGUMENTS` as a user does: in an interpreter that imports what it needs, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def forked(arguments: list[str], env: Mapping[str, str], folder: Path, timeout: float) -> Outcome:
    """Runs `shoreline ARGUMENTS` in a process of its own that need not import anything any more."""
    with tempfile.TemporaryDirectory() as written:
        output, errors = Path(written, "output"), Path(written, "errors")
        process = begun(arguments, env, folder, output, errors)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(
                ["shoreline", *arguments], timeout, output.read_bytes(), errors.read_bytes()
            )
        return Outcome(process.exitcode, output.read_text(encoding="utf-8"), errors.read_text(encoding="utf-8"))


def begun(
    arguments: list[str], env: Mapping[str, str], folder: Path, output: Path = NOWHERE, errors: Path = NOWHERE
) -> ForkServerProcess:
    """Begins `shoreline ARGUMENTS` in such a process, which writes to the files: for who wants to stop it midway."""
    process = FORKS.Process(target=_become, args=(arguments, dict(env), folder, output, errors))
    process.start()
    return process


def _become(arguments: list[str], env: dict[str, str], folder: Path, output: Path, errors: Path) -> None:
    """Makes this process what a fresh interpreter would be when it enters the command line, and enters it."""
    for path, flags, number in (
        (os.devnull, os.O_RDONLY, 0),
        (output, os.O_WRONLY | os.O_CREAT, 1),
        (errors, os.O_WRONLY | os.O_CREAT, 2),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for each in env.get("PYTHONPATH", "").split(os.pathsep):
        custom = Path(each, "sitecustomize.py")
        if custom.exists():
            runpy.run_path(str(custom))
    sys.argv = ["shoreline", *arguments]
    from jobs.cli.main import main

    main()


def environment(settings: Mapping[str, str], changes: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a run that finds the project's modules."""
    return {**settings, "PYTHONPATH": str(PROJECT), **(changes or {})}
