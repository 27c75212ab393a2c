"""Those who watch are told how a job went, and what cannot be told changes nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from services.s3.objects import Storage
from tests.conftest import Shoreline


@dataclass
class Listener:
    """An HTTP server that keeps what it is told: method, path, body and the Authorization header."""

    url: str
    heard: list[tuple[str, str, str, str]] = field(default_factory=list)

    def bodies(self, path: str) -> list[str]:
        """What was sent to a path, in order."""
        return [body for _, at, body, _ in self.heard if at == path]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Stands in for healthchecks.io, a webhook and a Pushgateway."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            found.heard.append((self.command, self.path, body, self.headers.get("Authorization", "")))
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Listener(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


def watched(listener: Listener, folder: Path) -> dict[str, str]:
    return {
        "NOTIFY_URLS": f"json://user:hook-token@{listener.url}/hook",
        "NOTIFY_ON": "start,success,failure",
        "PING_URL": f"http://{listener.url}/ping/secret-uuid",
        "METRICS_FILE": str(folder / "metrics" / "shoreline.prom"),
        "PUSHGATEWAY_URL": f"http://me:push-word@{listener.url}",
    }


@pytest.mark.usefixtures("database")
def test_a_good_backup_is_told_to_people_the_monitor_and_prometheus(
    shoreline: Shoreline, listener: Listener, settings: dict[str, str], tmp_path: Path
) -> None:
    outcome = shoreline("backup", env={**watched(listener, tmp_path), "LOG_FORMAT": "json"})
    assert outcome.exit_code == 0, outcome.errors
    database = settings["PGDATABASE"]
    assert len(listener.bodies("/ping/secret-uuid/start")) == 1
    assert (
        f"run        {json.loads(outcome.errors.splitlines()[0])['run_id']}" in listener.bodies("/ping/secret-uuid")[0]
    )
    titles = [json.loads(body)["title"] for body in listener.bodies("/hook")]
    assert titles == [f"backup of {database} started", f"backup of {database} done"]
    [pushed] = [each for each in listener.heard if each[1].startswith("/metrics/")]
    instance = f"{database}@{settings['PGHOST']}:{settings['PGPORT']}"
    assert unquote(pushed[1]) == f"/metrics/job/shoreline/instance/{instance}/job_name/backup"
    assert pushed[3] == "Basic " + base64.b64encode(b"me:push-word").decode()
    written = (tmp_path / "metrics" / "shoreline.prom").read_text()
    for text in (pushed[2], written):
        assert f'shoreline_run_success{{database="{database}",job_name="backup"}} 1.0' in text
        assert f'shoreline_backup_rows{{database="{database}"}} 0.0' in text
    for secret in ("hook-token", "secret-uuid", "push-word"):
        assert secret not in outcome.errors + outcome.output


@pytest.mark.usefixtures("database")
def test_each_database_of_a_run_has_metrics_of_its_own_at_the_gateway(
    shoreline: Shoreline, listener: Listener, settings: dict[str, str], tmp_path: Path
) -> None:
    """No label of the group is one of the series': a gateway would put `a,b` over every database, and refuse them."""
    first, second = settings["PGDATABASE"], "postgres"
    outcome = shoreline("backup", env={**watched(listener, tmp_path), "PGDATABASE": f"{first},{second}"})
    assert outcome.exit_code == 0, outcome.errors
    [(_, path, body, _)] = [each for each in listener.heard if each[1].startswith("/metrics/")]
    group = path.removeprefix("/metrics/").split("/")[::2]
    assert sorted(group) == ["instance", "job", "job_name"]
    for database in (first, second):
        assert f'shoreline_run_success{{database="{database}",job_name="backup"}} 1.0' in body
        assert f'shoreline_backup_rows{{database="{database}"}} 0.0' in body
        assert f'shoreline_backups_kept{{database="{database}"}} 1.0' in body
    assert f'{first},{second}"' not in body


@pytest.mark.usefixtures("database")
def test_a_failed_backup_is_told_as_one(shoreline: Shoreline, listener: Listener, tmp_path: Path) -> None:
    outcome = shoreline("backup", env={**watched(listener, tmp_path), "PGDATABASE": "not_there"})
    assert outcome.exit_code == 4
    assert not listener.bodies("/ping/secret-uuid")
    [body] = listener.bodies("/ping/secret-uuid/fail")
    assert "not_there" in body
    assert "exit code  4" in body
    assert json.loads(listener.bodies("/hook")[-1])["title"] == "backup of not_there FAILED"


@pytest.mark.usefixtures("database")
def test_what_cannot_be_told_never_fails_a_good_backup(shoreline: Shoreline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = {
        "NOTIFY_URLS": "json://user:hook-token@127.0.0.1:1/hook",
        "NOTIFY_ON": "success",
        "PING_URL": "http://127.0.0.1:1/ping/secret-uuid",
        "METRICS_FILE": str(tmp_path / "file" / "shoreline.prom"),
    }
    outcome = shoreline("backup", env=env)
    assert outcome.exit_code == 0, outcome.errors
    assert "json did not accept the message" in outcome.errors
    assert "could not reach 127.0.0.1" in outcome.errors
    assert "The metrics could not be written" in outcome.errors
    assert "hook-token" not in outcome.errors
    assert "secret-uuid" not in outcome.errors


@pytest.mark.usefixtures("database")
def test_a_metrics_file_that_cannot_be_written_does_not_keep_the_gateway_from_being_told(
    shoreline: Shoreline, listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    env = watched(listener, tmp_path) | {"METRICS_FILE": str(tmp_path / "file" / "shoreline.prom")}
    outcome = shoreline("backup", env=env)
    assert "The metrics could not be written" in outcome.errors
    assert any(path.startswith("/metrics/job/shoreline") for _, path, _, _ in listener.heard)


@pytest.mark.usefixtures("database")
def test_a_mistyped_address_is_told_by_a_run_that_sends_no_message(shoreline: Shoreline) -> None:
    outcome = shoreline("backup", env={"NOTIFY_URLS": "slakc://hook-token/x", "NOTIFY_ON": "failure"})
    assert outcome.exit_code == 0, outcome.errors
    assert outcome.errors.count("address 1 of 1 in NOTIFY_URLS") == 1
    assert "hook-token" not in outcome.errors


@pytest.mark.usefixtures("database")
def test_a_drill_does_not_vouch_for_the_backup(shoreline: Shoreline, listener: Listener, tmp_path: Path) -> None:
    assert shoreline("backup").exit_code == 0
    assert shoreline("drill", env=watched(listener, tmp_path)).exit_code == 0
    assert not [path for _, path, _, _ in listener.heard if path.startswith("/ping")]
    assert shoreline("drill", env={"PING_URL": f"http://{listener.url}/ping/my-{{job}}"}).exit_code == 0
    assert len(listener.bodies("/ping/my-drill")) == 1


@pytest.mark.usefixtures("database")
def test_one_run_id_is_in_the_log_the_manifest_and_the_receipt(
    shoreline: Shoreline, storage: Storage, settings: dict[str, str]
) -> None:
    outcome = shoreline("backup", "--json", env={"LOG_FORMAT": "json"})
    run_id = outcome.json["run_id"]
    assert {json.loads(line)["run_id"] for line in outcome.errors.splitlines() if line.startswith("{")} == {run_id}
    [manifest] = [each.key for each in storage.objects("backups/") if each.key.endswith(".manifest.json")]
    assert json.loads(storage.read(manifest) or b"")["run_id"] == run_id
    receipts = [json.loads(path.read_text()) for path in Path(settings["RECEIPTS_DIR"]).iterdir()]
    assert [each["run_id"] for each in receipts] == [run_id]


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(settings: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `shoreline schedule`; what still runs at the end is stopped."""
    running: list[subprocess.Popen[str]] = []

    def run(**env: str) -> subprocess.Popen[str]:
        project = str(Path(__file__).resolve().parents[2])
        quiet = {"DRILL_SCHEDULE": "off", "SCHEDULE_JITTER": "0", "PYTHONPATH": project}
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "jobs", "schedule"],
                env={**settings, **quiet, **env},
                cwd=tmp_path,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
        )
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_a_run_has_ended(diary: Path, seconds: float = 60, of: str = "backup") -> dict[str, Any]:
    """What the diary says of a schedule once a run of it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if diary.exists():
            past: dict[str, Any] = json.loads(diary.read_text())["schedules"][of]
            if "ended" in past:
                return past
        time.sleep(0.1)
    raise AssertionError("no run has ended")


@pytest.mark.usefixtures("database")
def test_the_scheduler_runs_a_backup_at_its_time_and_stops_cleanly(
    start: Start, shoreline: Shoreline, tmp_path: Path
) -> None:
    scheduler = start(BACKUP_SCHEDULE="*/5 * * * * *")
    assert until_a_run_has_ended(tmp_path / "schedule.json")["exit_code"] == 0
    well = shoreline("schedule", "--check", env={"BACKUP_SCHEDULE": "*/5 * * * * *", "DRILL_SCHEDULE": "off"})
    assert well.exit_code == 0, well.errors
    os.kill(scheduler.pid, signal.SIGTERM)
    scheduler.communicate(timeout=60)
    assert scheduler.returncode == 143
    check = shoreline("schedule", "--check")
    assert check.exit_code == 23
    assert "No scheduler is running" in check.errors
    assert "Next: Start it: `shoreline schedule`." in check.errors


@pytest.mark.usefixtures("database")
def test_a_run_that_was_missed_is_caught_up_at_the_start(start: Start, tmp_path: Path) -> None:
    diary = tmp_path / "schedule.json"
    long_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    past = {"since": long_ago, "started": long_ago, "ended": long_ago, "exit_code": 0, "good": long_ago}
    diary.write_text(json.dumps({"format": "shoreline-schedule/1", "beat": None, "schedules": {"backup": past}}))
    scheduler = start(BACKUP_SCHEDULE="0 0 * * *")
    deadline = time.monotonic() + 60
    while until_a_run_has_ended(diary)["started"] == long_ago:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert until_a_run_has_ended(diary)["exit_code"] == 0
    os.kill(scheduler.pid, signal.SIGTERM)
    _, errors = scheduler.communicate(timeout=60)
    assert "catching up" in errors


@pytest.mark.usefixtures("database")
def test_a_drill_of_several_databases_tries_each_and_fails_when_one_does(
    start: Start, shoreline: Shoreline, settings: dict[str, str], tmp_path: Path
) -> None:
    env = {"PGDATABASE": f"{settings['PGDATABASE']},not_there"}
    assert shoreline("backup", env=env).exit_code == 11
    reversed_ = ",".join(reversed(env["PGDATABASE"].split(",")))  # the one that fails is drilled first
    scheduler = start(PGDATABASE=reversed_, BACKUP_SCHEDULE="off", DRILL_SCHEDULE="*/5 * * * * *")
    assert until_a_run_has_ended(tmp_path / "schedule.json", of="drill")["exit_code"] == 12
    os.kill(scheduler.pid, signal.SIGTERM)
    _, errors = scheduler.communicate(timeout=60)
    assert "There is no complete backup of not_there" in errors
    assert f"drilling backups/postgres/{settings['PGDATABASE']}/" in errors


def test_a_lake_schedule_for_several_databases_is_refused_at_the_start(shoreline: Shoreline) -> None:
    planned = shoreline("schedule", "--plan", env={"PGDATABASE": "a,b", "LAKE_SCHEDULE": "0 5 * * *"})
    assert planned.exit_code == 2
    assert "LAKE_SCHEDULE  PGDATABASE names 2 databases" in planned.errors
