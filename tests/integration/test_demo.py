"""The demo runs the whole loop, and leaves nothing behind."""

from __future__ import annotations

from decimal import Decimal

from jobs.demo import BUCKET, DATABASE, RESTORED
from services.aws import Aws
from services.database import Database
from services.storage import Storage
from tests.conftest import Shoreline

LOOP = ["setup", "database", "backup", "restore", "drill", "generate", "upload", "athena", "cleanup"]


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


def test_the_demo_refuses_a_real_account(shoreline: Shoreline) -> None:
    outcome = shoreline("demo", env={"AWS_ENDPOINT_URL": "", "AWS_EXPECTED_ACCOUNT_ID": ""})
    assert outcome.exit_code == 2
    assert "offline only" in outcome.errors
