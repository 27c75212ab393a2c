"""One Compose project, driven as a user drives it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.command_line import Outcome

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")


@dataclass(frozen=True)
class Ended(Outcome):
    """How a command ended."""

    @property
    def log(self) -> list[dict[str, Any]]:
        """The JSON lines of the job's log, among what Compose itself says."""
        return [json.loads(line) for line in self.errors.splitlines() if line.startswith("{")]


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> Ended:
    """Runs `docker ARGUMENTS`."""
    return _run(["docker", *arguments], {}, check=check, timeout=timeout)


@dataclass(frozen=True)
class Project:
    """A project of the repository's docker-compose.yml with settings of its own on top of .env.example."""

    name: str
    settings: Mapping[str, str]
    profile: str = ""
    _names: list[str] = field(default_factory=list)

    def compose(
        self, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True, timeout: float = 240
    ) -> Ended:
        """Runs `docker compose ARGUMENTS`; `env` is the shell's, which goes before .env."""
        files = ["--project-name", self.name, "--env-file", ".env.example"]
        profile = ["--profile", self.profile] if self.profile else []
        command = ["docker", "compose", *files, *profile, *arguments]
        return _run(command, {**self.settings, **(env or {})}, check=check, timeout=timeout)

    def job(self, *arguments: str, env: Mapping[str, str] | None = None, deps: bool = True) -> Ended:
        """Runs `docker compose run --rm JOB OPTIONS` to its end, however that is."""
        options = ["--rm", "-T"] if deps else ["--rm", "-T", "--no-deps"]
        return self.compose("run", *options, *arguments, env=env, check=False)

    def result(self, *arguments: str, env: Mapping[str, str] | None = None) -> Any:
        """The result of a job that must end well."""
        ended = self.job(*arguments, "--json", env=env)
        assert ended.exit_code == 0, ended.output + ended.errors
        return ended.json["result"]

    def sql(self, statement: str, database: str = "saas_platform") -> str:
        """What psql in the postgres service prints for a statement."""
        psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", statement]
        return self.compose("exec", "-T", "postgres", *psql).output.strip()

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.compose("ps", "--all", "--quiet", service).output.strip()

    def remove(self) -> None:
        """Ends everything and removes it, volumes and networks included."""
        everything = ["--profile", "localstack", "--profile", "aws", "--profile", "schedule", "--profile", "jobs"]
        files = ["--project-name", self.name, "--env-file", ".env.example"]
        command = ["docker", "compose", *files, *everything, "down", "--volumes", "--remove-orphans", "--timeout", "5"]
        # a container that removes itself meanwhile makes the first attempt stumble
        if _run(command, self.settings, check=False, timeout=180).exit_code != 0:
            _run(command, self.settings, check=True, timeout=180)


def eventually(holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Waits until a condition holds. Fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.25)


def _run(command: list[str], settings: Mapping[str, str], *, check: bool, timeout: float) -> Ended:
    env = {name: os.environ[name] for name in _OURS if name in os.environ} | dict(settings)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if check:
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return Ended(done.returncode, done.stdout, done.stderr)
