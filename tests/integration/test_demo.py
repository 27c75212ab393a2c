"""The demo runs the whole loop, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jobs.demo import BUCKET, DATABASE, RESTORED
from services.cost_analysis.report.inputs import read_demo
from services.local.stack import PROJECT
from services.postgres.client import Database
from services.s3.client import Aws
from services.s3.objects import Storage
from tests.conftest import Shoreline

LOOP = ["setup", "database", "backup", "restore", "drill", "generate", "upload", "athena", "cleanup"]


@pytest.fixture
def alone(stack: dict[str, str]) -> Iterator[None]:
    """One demo at a time: its database and its bucket are called the same in every worker of a parallel run."""
    with Path(os.environ["SHORELINE_TEST_STACK"], "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("alone")
def test_the_demo_runs_every_job_and_leaves_nothing_behind(shoreline: Shoreline, aws: Aws, database: Database) -> None:
    outcome = shoreline("demo", "--json", fresh=True)
    assert outcome.exit_code == 0, outcome.errors
    steps = outcome.json["result"]["steps"]
    assert [step["job"] for step in steps] == LOOP
    asked = sum(Decimal(step["usd"]) for step in steps if step["job"] != "athena")  # DuckDB answers here, Athena there
    assert Decimal(0) < asked <= Decimal(outcome.json["receipt"]["usd"])
    assert not Storage(aws, BUCKET).exists()
    assert not database.sibling(DATABASE).exists()
    assert not database.sibling(RESTORED).exists()


@pytest.mark.usefixtures("alone")
def test_demo_prints_the_session_and_counts_as_recorded(shoreline: Shoreline, tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    session = readme.partition("<!-- session -->\n```text\n")[2].partition("\n```\n<!-- /session -->")[0]
    printed = {form(line) for line in shoreline("demo", env={"COLUMNS": "120", "DRILL_HOST": ""}).output.splitlines()}
    assert [line for line in session.splitlines() if form(line) not in printed] == []
    assert session
    (receipt,) = (tmp_path / "receipts").glob("demo_*.json")
    made, recorded = counts(json.loads(receipt.read_text(encoding="utf-8"))), counts(read_demo()["receipt"])
    drifted = {
        name: (count, made.get(name, 0)) for name, count in recorded.items() if abs(count - made.get(name, 0)) > 2
    }
    assert drifted == {}, "record the demo again: docs/cost-model.md"
    assert set(made) <= set(recorded)


def counts(receipt: Mapping[str, Any]) -> dict[str, int]:
    """Billable requests by operation, without the tag's: LocalStack keeps the tags of a deleted bucket."""
    requests = receipt["usage"]["requests"]
    return {row["operation"]: row["billable"] for row in requests if "Tagging" not in row["operation"]}


def form(line: str) -> str:
    """A line without what differs from run to run: figures with their units, hashes, and widths."""
    plain = re.sub(r"\b[0-9a-f]{64}\b|\$?\d[\d.,:_/]*( (ms|s|B|KB|MB)\b)?", "#", line)
    return re.sub(r"\s+", " ", re.sub("-{3,}", "---", plain)).strip()


def test_the_demo_refuses_a_real_account(shoreline: Shoreline) -> None:
    outcome = shoreline("demo", env={"AWS_ENDPOINT_URL": "", "AWS_EXPECTED_ACCOUNT_ID": ""})
    assert outcome.exit_code == 2
    assert "only offline" in outcome.errors
