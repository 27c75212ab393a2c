"""make says what is missing, and leaves nothing behind where it cannot work."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from services.local.stack import PROJECT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make reads, and a `docker` that finds no engine."""
    for name in ("Makefile", ".env.example"):
        shutil.copy(PROJECT / name, tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho Cannot connect to the Docker daemon. >&2\nexit 1\n")
    docker.chmod(0o755)
    return tmp_path


def test_the_options_of_lake_are_those_of_its_first_job() -> None:
    done = subprocess.run(
        ["make", "-n", "STACK=embedded", "lake", "ARGS=--seed 7"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    jobs = [line.split("--embedded ")[1].split() for line in done.stdout.splitlines() if "--embedded " in line]
    assert jobs == [["generate", "--seed", "7"], ["upload"], ["athena"]]


@pytest.mark.parametrize("target", ["backup", "demo", "lake", "up", "down"])
def test_containers_without_an_engine_are_refused_in_words_and_nothing_is_left(target: str, checkout: Path) -> None:
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["make", "STACK=compose", target],
        cwd=checkout,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No Docker engine answers" in done.stderr
    assert "leave STACK=compose out" in done.stderr
    assert "Error 22" in done.stderr
    assert {each.name for each in checkout.iterdir()} == {"Makefile", ".env.example", "bin"}
