"""What is installed elsewhere than in a checkout has all that the jobs read, and says what it lacks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from services.errors import StackError
from services.local.stack import PROJECT

_WITHOUT_STACK = """
import sys
sys.modules["psutil"] = None  # as where it is not installed
from jobs.cli import main
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
