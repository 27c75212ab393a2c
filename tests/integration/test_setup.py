"""The setup job makes the bucket once, and takes over nobody's."""

from __future__ import annotations

import uuid

from services.s3.client import Aws
from services.s3.objects import Storage
from tests.conftest import Shoreline


def test_setup_makes_a_missing_bucket_and_a_second_run_changes_nothing(shoreline: Shoreline) -> None:
    env = {"BUCKET": f"test-{uuid.uuid4().hex[:16]}"}
    first = shoreline("setup", "--json", env=env).json["result"]["steps"]
    again = shoreline("setup", "--json", env=env).json["result"]["steps"]
    assert first[0] == {"what": "bucket", "outcome": "made"}
    assert {step["outcome"] for step in again} == {"as it should be"}


def test_setup_leaves_a_bucket_that_holds_other_things_alone(shoreline: Shoreline, aws: Aws) -> None:
    name = f"test-{uuid.uuid4().hex[:16]}"
    aws.s3.create_bucket(Bucket=name)
    Storage(aws, name).put("theirs.txt", b"theirs")
    outcome = shoreline("setup", env={"BUCKET": name})
    assert outcome.exit_code == 9
    assert "not Shoreline's" in outcome.errors
    assert "Traceback" not in outcome.errors
