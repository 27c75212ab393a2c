"""However a job ends, its exit code says so, and standard output has the result alone."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cli.result import JobResult, typed
from services.errors import LakeError
from services.local.stack import PROJECT
from tests.conftest import Shoreline

WAITS = """
import time, typer
from jobs.cli.runner import Invocation, run_job
app = typer.Typer()
@app.callback()
def root(ctx: typer.Context) -> None:
    ctx.obj = Invocation()
@app.command()
def job(ctx: typer.Context) -> None:
    def work(run):
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("cleaned", flush=True)
    run_job(ctx, "wait", work, lambda *_: None)
@app.command()
def bug(ctx: typer.Context) -> None:
    run_job(ctx, "bug", lambda run: {}[run.settings.pgpassword.get_secret_value()], lambda *_: None)
app()
"""


def test_settings_that_are_missing_are_told_with_their_exit_code(shoreline: Shoreline) -> None:
    outcome = shoreline("setup", env={"BUCKET": "", "PGPORT": "many"})
    assert outcome.exit_code == 2
    assert "BUCKET  is not set" in outcome.errors
    assert "PGPORT  invalid value 'many': expected a whole number" in outcome.errors
    assert outcome.output == ""


def test_a_failure_in_json_is_one_object_too(shoreline: Shoreline) -> None:
    outcome = shoreline("setup", "--json", env={"BUCKET": "No"})
    assert outcome.exit_code == 2
    told = json.loads(outcome.output)
    assert (told["ok"], told["exit_code"], told["job"]) == (False, 2, "setup")
    assert told["next_step"]


def test_a_store_that_does_not_answer_is_named(shoreline: Shoreline) -> None:
    outcome = shoreline("setup", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert outcome.exit_code == 6
    assert "127.0.0.1:1" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_a_profile_that_is_not_there_is_a_problem_with_the_settings(shoreline: Shoreline) -> None:
    env = {"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ENDPOINT_URL": ""}
    outcome = shoreline("setup", env=env)
    assert outcome.exit_code == 2
    assert "AWS_PROFILE" in outcome.errors


def heed() -> None:
    """Lets a process be stopped as from a terminal: one that runs in the background has its children ignore signals."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_job_that_is_stopped_cleans_up_and_says_by_what(settings: dict[str, str], number: int, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS, "job"],
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, number)
        output, errors = process.communicate(timeout=30)
    assert output == "cleaned\n"
    assert process.returncode == code
    assert "stopped by" in errors


def test_a_job_whose_terminal_is_closed_cleans_up(settings: dict[str, str]) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", WAITS, "job"]
    with subprocess.Popen(
        command, env=settings, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=heed
    ) as process:
        os.close(theirs)
        shown = b""
        while b"ready" not in shown:
            shown += os.read(ours, 1000)
        os.close(ours)  # from now on, whatever the job writes there fails
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 129


def test_a_bug_is_never_a_success_and_its_traceback_holds_no_secret(settings: dict[str, str]) -> None:
    secret = settings["PGPASSWORD"]
    done = subprocess.run(
        [sys.executable, "-c", WAITS, "bug"], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "bug in Shoreline" in done.stderr
    assert "KeyError: '***'" in done.stderr
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("embedded", "contained", "shown"),
    [
        (False, False, "shoreline restore --latest"),
        (True, False, 'make restore ARGS="--latest"'),
        (False, True, "docker compose run --rm restore --latest"),
    ],
)
def test_the_next_command_is_told_as_it_is_typed_here(embedded: bool, contained: bool, shown: str) -> None:
    assert typed("shoreline restore --latest", embedded=embedded, contained=contained) == shown
    assert typed("psql -d scratch", embedded=embedded, contained=contained) == "psql -d scratch"


@pytest.mark.parametrize(
    "name", ["plain", 'say "so"', "it's", "$HOME", "a $$ b", "back`tick`", "back\\slash", "wow!", "#1"]
)
def test_a_database_of_any_name_comes_through_make_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    told = tmp_path / "bin" / "shoreline"
    told.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    told.chmod(0o755)
    (tmp_path / ".installed").touch()
    command = typed(shlex.join(["shoreline", "drill", f"--database={name}"]), embedded=True, contained=False)
    done = subprocess.run(
        ["bash", "-c", f"{command} --silent --directory={PROJECT} STACK=embedded VENV={tmp_path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == ["--embedded", "drill", f"--database={name}"]


def test_a_job_without_settings_tells_its_commands_as_they_are_typed_here_too(shoreline: Shoreline) -> None:
    outcome = shoreline("--embedded", "prices", "--region", "nowhere")
    assert outcome.exit_code == 2
    assert '`make prices ARGS="--refresh --region nowhere"` adds' in outcome.errors


def test_the_command_that_mends_an_error_is_told_as_it_is_typed_here(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = JobResult("upload", "12345678", as_json=True)
    outcome.embedded = True
    outcome.log("INFO", "text")
    outcome.fail(LakeError("Nothing.", next_step="Run `shoreline generate` or `shoreline export --full`."))
    told = capsys.readouterr()
    step = 'Run `make generate` or `make export ARGS="--full"`.'
    assert json.loads(told.out)["next_step"] == step
    assert f"Next: {step}" in told.err


@pytest.mark.parametrize("form", ["", "--json"])
def test_a_reader_who_leaves_early_costs_no_receipt_and_is_no_failure(
    form: str, settings: dict[str, str], tmp_path: Path
) -> None:
    begun = subprocess.Popen(
        [sys.executable, "-m", "jobs", "backups", *form.split()],
        env={**settings, "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert begun.stdout is not None
    begun.stdout.close()
    errors = begun.stderr.read() if begun.stderr else ""
    assert begun.wait() == 0, errors
    assert "backups done" in errors
    assert "Traceback" not in errors
    assert len(list((tmp_path / "receipts").iterdir())) == 1


@pytest.mark.parametrize("form", ["", "--json"])
def test_a_full_disk_behind_standard_output_is_told_in_words(
    form: str, settings: dict[str, str], tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "jobs", "backups", *form.split()],
            env={**settings, "PYTHONPATH": str(PROJECT)},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 27, done.stderr
    assert "No space left on device." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("job", ["generate", "export --table public.t:taken_on", "upload", "cleanup --dry-run"])
@pytest.mark.parametrize("name", ["a_file", "a" * 300])
def test_an_output_folder_that_cannot_be_has_one_exit_code_whatever_the_job(
    job: str, name: str, shoreline: Shoreline, execute: Callable[[str], None], tmp_path: Path
) -> None:
    execute("CREATE TABLE t AS SELECT date '2025-01-10' AS taken_on")
    (tmp_path / "a_file").write_text("a file where a folder should be")
    outcome = shoreline(*job.split(), env={"OUTPUT_DIR": str(tmp_path / name)})
    assert outcome.exit_code == 27, outcome.errors
    assert name in outcome.errors
    assert "Traceback" not in outcome.errors
