"""How a run's end is told, whenever it comes."""

from __future__ import annotations

import json

import pytest

from jobs.cli.logging import make_redactor
from jobs.cli.result import JobResult, Terminated, typed


def test_a_job_that_is_stopped_before_its_settings_are_read_says_so_in_the_log_s_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    outcome = JobResult("backup", "12345678", as_json=False)
    outcome.stopped(Terminated())
    outcome.close()
    line = json.loads(capsys.readouterr().err)
    assert line["job"] == "backup"
    assert line["exit_code"] == 143
    assert line["message"].startswith("backup stopped by SIGTERM")


@pytest.mark.parametrize(
    ("embedded", "contained", "shown"),
    [
        (False, False, "shoreline schedule"),
        (True, False, "make schedule"),
        (False, True, "docker compose up --detach schedule"),
    ],
)
def test_the_scheduler_is_started_as_it_is_here(embedded: bool, contained: bool, shown: str) -> None:
    assert typed("shoreline schedule", embedded=embedded, contained=contained) == shown
    assert "up --detach" not in typed("shoreline schedule --check", embedded=embedded, contained=contained)


def test_a_secret_that_begins_with_another_leaves_no_end_of_itself() -> None:
    assert make_redactor(["hunter2", "hunter2-and-more"])("password hunter2-and-more") == "password ***"
