"""The scheduler runs jobs by the clock, and its health check knows whether they are late."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.containers.project import Project, docker, eventually


def closings(container: str) -> list[dict[str, Any]]:
    """The closing lines of the backups that the scheduler ran."""
    lines = [json.loads(line) for line in docker("logs", container).errors.splitlines() if line.startswith("{")]
    return [line for line in lines if line["job"] == "backup" and "exit_code" in line]


def test_the_scheduler_fires_twice_in_a_minute_and_is_healthy(here: Project) -> None:
    settings = {"BACKUP_SCHEDULE": "*/20 * * * * *", "DRILL_SCHEDULE": "off", "SCHEDULE_JITTER": "0"}
    timed = Project(here.name, {**here.settings, **settings, "COMPOSE_PROFILES": "localstack,schedule"})
    timed.compose("up", "--detach", "--wait", "postgres", "localstack")
    timed.compose("up", "--detach", "schedule")
    container = timed.container("schedule")
    try:
        eventually(lambda: len(closings(container)) >= 2, "two backups were made", seconds=60)
        assert {line["exit_code"] for line in closings(container)} == {0}
        assert timed.compose("exec", "-T", "schedule", "shoreline", "schedule", "--check").exit_code == 0
    finally:
        timed.compose("rm", "--stop", "--force", "schedule")


def test_the_health_check_fails_when_a_run_is_overdue(make_project: Callable[..., Project]) -> None:
    settings = {
        "COMPOSE_PROFILES": "schedule",
        "AWS_ENDPOINT_URL": "http://nowhere.example:4566",
        "BACKUP_SCHEDULE": "* * * * * *",
        "DRILL_SCHEDULE": "off",
        "SCHEDULE_JITTER": "0",
        "SCHEDULE_GRACE": "1",
    }
    late = make_project("late", **settings)
    late.compose("up", "--detach", "schedule")

    def overdue() -> bool:
        check = late.compose("exec", "-T", "schedule", "shoreline", "schedule", "--check", check=False)
        return check.exit_code == 23 and "Late: backup" in check.errors

    eventually(overdue, "the check fails")


def test_without_a_scheduler_the_check_fails(here: Project) -> None:
    ended = here.job("schedule", "--check", deps=False)
    assert ended.exit_code == 23
    assert "No scheduler is running" in ended.errors
