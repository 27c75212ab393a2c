"""What is installed elsewhere than in a checkout has all that the jobs read, and says what it lacks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jobs.cli import version
from services.errors import StackError
from services.local.stack import PROJECT
from services.postgres import sample_database

_WITHOUT_STACK = """
import sys
sys.modules["psutil"] = None  # as where it is not installed
from jobs.cli.main import main
main()
"""


def test_a_wheel_holds_what_the_image_holds() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    copied = re.findall(r"^COPY (\S+) \1$", (PROJECT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shipped) == sorted(copied)


@pytest.mark.parametrize("job", ["up", "down"])
def test_where_the_embedded_stack_is_not_installed_a_job_says_so(job: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_STACK, job], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == StackError.exit_code
    assert "The embedded stack is not installed." in done.stderr
    assert "Traceback" not in done.stderr


def test_version_option_prints_version_and_revision() -> None:
    built = subprocess.run(
        [sys.executable, "-m", "jobs", "--version"],
        cwd=PROJECT,
        env={"SHORELINE_REVISION": "0123456789abcdef"},
        capture_output=True,
        text=True,
        check=True,
    )
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert built.stdout == f"shoreline {declared} (0123456789ab)\n"


def test_version_of_an_installed_package_has_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SHORELINE_REVISION", raising=False)
    monkeypatch.setattr(version, "PROJECT", tmp_path)
    assert version.revision() is None


def test_completion_lists_jobs_that_begin_with_a_word() -> None:
    shown = subprocess.run(
        [Path(sys.executable).with_name("shoreline")],
        cwd=PROJECT,
        env={"_SHORELINE_COMPLETE": "complete_bash", "COMP_WORDS": "shoreline back", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert {"backup", "backups"} <= set(shown.stdout.split())


def test_paths_of_the_checkout_lead_to_its_root() -> None:
    assert (sample_database.SQL / "postgres" / "01_tables.sql").is_file()
    assert version.PROJECT == PROJECT
