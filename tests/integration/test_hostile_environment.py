"""Jobs run however a supervisor starts them: with closed descriptors, without docstrings, in any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs.schedule import _PROGRAM
from tests.archives import Archives
from tests.command_line import environment


def run(command: str, settings: Mapping[str, str], folder: Path, **env: str) -> int:
    """The exit code of a shell's command, in which `$SHORELINE` is the command line."""
    variables = {**environment(settings, env), "SHORELINE": f"{sys.executable} -m jobs"}
    return subprocess.run(["sh", "-c", command], env=variables, cwd=folder, timeout=120, check=False).returncode


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_backup_succeeds_with_standard_files_closed(
    settings: dict[str, str], archives: Archives, tmp_path: Path, closed: str
) -> None:
    assert run(f"exec $SHORELINE backup {closed}", settings, tmp_path) == 0
    assert len(archives.assert_whole()) == 1


@pytest.mark.usefixtures("database")
def test_backup_succeeds_when_standard_error_is_full(
    settings: dict[str, str], archives: Archives, tmp_path: Path
) -> None:
    assert run("exec $SHORELINE backup 2>/dev/full", settings, tmp_path) == 0
    assert len(archives.assert_whole()) == 1


@pytest.mark.usefixtures("database")
def test_backup_succeeds_without_docstrings(settings: dict[str, str], archives: Archives, tmp_path: Path) -> None:
    assert run("$SHORELINE --help >help", settings, tmp_path, PYTHONOPTIMIZE="2") == 0
    assert run("exec $SHORELINE backup", settings, tmp_path, PYTHONOPTIMIZE="2") == 0
    assert len(archives.assert_whole()) == 1


def test_too_little_memory_ends_with_its_own_exit_code(settings: dict[str, str], tmp_path: Path) -> None:
    assert run("ulimit -v 100000; exec $SHORELINE backups", settings, tmp_path) == 28


def test_scheduled_program_ignores_a_jobs_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    for name in ("__init__.py", "__main__.py", "cli.py"):
        (tmp_path / "jobs" / name).write_text("raise SystemExit(99)")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*_PROGRAM, "--help"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "schedule" in done.stdout
