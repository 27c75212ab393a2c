"""Offline, no job reaches AWS: every address is the machine's own, and real credentials are never shown to anyone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.faults.proxy import FaultProxy

GUARDS = Path(__file__).resolve().parents[1] / "guards"
PROJECT = GUARDS.parents[1]
JOBS = (
    "setup", "backup", "drill", "generate", "upload", "preflight backup", "iam", "prices", "cleanup --yes",
)  # fmt: skip


def guarded(log: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{GUARDS}{os.pathsep}{PROJECT}", "SOCKET_GUARD_LOG": str(log)}


def test_the_guard_refuses_and_writes_down_what_is_not_of_this_machine(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    env = {**guarded(log), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "the socket guard refuses" in done.stderr
    assert "192.0.2.1" in log.read_text()


def test_no_offline_job_calls_any_other_address_or_shows_real_credentials(
    shoreline: Shoreline,
    storage: Storage,
    stack: dict[str, str],
    tmp_path: Path,
    execute: Callable[[str], None],
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    (tmp_path / ".aws").mkdir()
    secret = "aws_access_key_id = AKIAREALREALREAL\naws_secret_access_key = real-secret"
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\n{secret}\n[production]\n{secret}\n")
    log = tmp_path / "log"
    with FaultProxy(stack["AWS_ENDPOINT_URL"]) as proxy:
        env = {
            **guarded(log),
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_PROFILE": "production",
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
        }
        for job in JOBS:
            outcome = shoreline(*job.split(), env=env)
            assert outcome.exit_code == 0, f"{job}: {outcome.errors}"
    assert not log.exists(), log.read_text()
    assert len(proxy.asked) > 50
    assert {asked.credential for asked in proxy.asked} == {"test"}


@pytest.mark.parametrize("job", ["backup", "upload", "cleanup"])
def test_on_aws_a_job_asks_sts_first(shoreline: Shoreline, tmp_path: Path, job: str) -> None:
    log = tmp_path / "log"
    outcome = shoreline(job, env={**guarded(log), "AWS_ENDPOINT_URL": ""}, timeout=120)
    assert outcome.exit_code != 0
    hosts = set(log.read_text().splitlines())
    assert hosts == {"socket.getaddrinfo 'sts.us-east-1.amazonaws.com'"}, "the guard sees what a real account would"
