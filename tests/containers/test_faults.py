"""What is stopped, or missing, ends cleanly; the next run succeeds."""

from __future__ import annotations

import json
import time

import pytest

from services.s3.objects import Storage
from tests.containers.project import Project, docker, eventually


def test_docker_stop_in_mid_backup_ends_it_cleanly_within_the_grace_time(here: Project) -> None:
    here.result("database", "--rows", "60000")
    before = here.job("backups", "--json").json["result"]
    name = f"{here.name}-stopped"
    here.compose("run", "--detach", "--name", name, "backup", env={"JOB_CPUS": "0.2"})
    try:
        eventually(lambda: "backing up" in docker("logs", name).errors, "the dump has begun")
        began = time.monotonic()
        docker("stop", name, timeout=60)
        taken = time.monotonic() - began
        state = json.loads(docker("inspect", "--format", "{{json .State}}", name).output)
        assert state["ExitCode"] == 143
        assert taken < 30
        assert "stopped by SIGTERM" in docker("logs", name).errors
    finally:
        docker("rm", "--force", name)
    assert here.job("backups", "--json").json["result"] == before
    assert not _awslocal(here, "list-multipart-uploads").get("Uploads")
    assert here.job("backup").exit_code == 0


def test_a_store_that_is_down_is_told_and_the_next_run_succeeds(there: Project) -> None:
    there.compose("stop", "--timeout", "5", "localstack")
    down = there.job("backup", deps=False)
    assert down.exit_code == 6
    assert "Traceback" not in down.errors
    there.result("setup")  # starts LocalStack, whose objects were gone when it stopped
    ended = there.job("backup")
    assert ended.exit_code == 0, ended.errors


@pytest.mark.usefixtures("database")
def test_a_server_that_is_newer_than_the_client_is_refused_before_anything_is_written(
    image: str, settings: dict[str, str], storage: Storage
) -> None:
    """The embedded PostgreSQL is 18, the image's client 17."""
    passed = [name for name in settings if name.startswith(("PG", "AWS_")) and name != "PG_BIN"] + ["BUCKET"]
    flags = [flag for name in passed for flag in ("--env", f"{name}={settings[name]}")]
    place = ["--network", "host", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/data:mode=1777"]  # noqa: S108
    ended = docker("run", "--rm", *place, *flags, image, "backup", check=False)
    assert ended.exit_code == 3, ended.errors
    assert "The server is PostgreSQL 18" in ended.errors
    assert "client programs of the server's version" in ended.errors
    assert not [each.key for each in storage.objects("") if "backup_" in each.key]


def _awslocal(project: Project, operation: str) -> dict[str, object]:
    command = ["awslocal", "s3api", operation, "--bucket", "shoreline-local", "--output", "json"]
    answer = project.compose("exec", "-T", "localstack", *command).output
    return dict(json.loads(answer)) if answer.strip() else {}
