"""What is stopped, or missing, ends cleanly; the next run succeeds."""

from __future__ import annotations

import json
import time

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


def _awslocal(project: Project, operation: str) -> dict[str, object]:
    command = ["awslocal", "s3api", operation, "--bucket", "shoreline-local", "--output", "json"]
    answer = project.compose("exec", "-T", "localstack", *command).output
    return dict(json.loads(answer)) if answer.strip() else {}
