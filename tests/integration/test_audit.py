"""The audit tells what was called, and what the account holds, over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline, stand_in
from tests.fakes.account import FakeAccount
from tests.faults.proxy import FaultProxy

FOUND = 23
Audit = Callable[..., Outcome]


@pytest.fixture
def account() -> FakeAccount:
    """An account that holds nothing with the project's tag."""
    return FakeAccount()


@pytest.fixture
def audit(shoreline: Shoreline, stack: dict[str, str], account: FakeAccount) -> Audit:
    """Runs the audit of an account on 'AWS'."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> Outcome:
        with FaultProxy(stack["AWS_ENDPOINT_URL"], account) as proxy:
            return shoreline("audit", "--account", "--json", *arguments, env={**stand_in(proxy.url), **(env or {})})

    return run


def test_after_the_jobs_only_the_four_services_were_called(shoreline: Shoreline, storage: Storage) -> None:
    for job in ("generate", "upload", "cleanup --yes"):
        assert shoreline(*job.split()).exit_code == 0
    outcome = shoreline("audit", "--json")
    assert outcome.exit_code == 0, outcome.errors
    called = {each["service"]: each for each in outcome.json["result"]["called"]}
    assert set(called) == {"s3", "sts"}
    assert {"PutObject", "DeleteObjects", "DeleteBucket"} <= set(called["s3"]["operations"])


@pytest.mark.parametrize(
    ("service", "operation", "exit_code"),
    [
        ("glue", "GetTables", 0),
        ("glue", "StartJobRun", FOUND),
        ("ec2", "RunInstances", FOUND),
        ("pricing", "GetProducts", 0),
    ],
)
def test_a_receipt_with_another_service_fails_the_audit(
    shoreline: Shoreline, storage: Storage, tmp_path: Path, service: str, operation: str, exit_code: int
) -> None:
    assert shoreline("backups").exit_code == 0
    (path,) = (tmp_path / "receipts").glob("*.json")
    receipt = json.loads(path.read_text())
    receipt["usage"]["requests"][0] |= {"service": service, "operation": operation}
    path.write_text(json.dumps(receipt))
    outcome = shoreline("audit")
    assert outcome.exit_code == exit_code, outcome.errors
    assert (f"{service} was called: {operation}" in outcome.errors) == bool(exit_code)


def test_an_account_without_such_resources_passes(audit: Audit) -> None:
    outcome = audit()
    assert outcome.exit_code == 0, outcome.errors
    looks = outcome.json["result"]["account"]
    assert len(looks) == 7
    assert not [look for look in looks if look["found"] or look["problem"]]


def test_audit_names_tagged_resources_only(audit: Audit, account: FakeAccount) -> None:
    account.tagged = True
    outcome = audit()
    assert outcome.exit_code == FOUND
    found = {look["kind"]: look["found"] for look in outcome.json["result"]["account"]}
    assert found == {
        "RDS instances": ["ours"],
        "RDS clusters": ["ours"],
        "EC2 instances": ["i-0123"],
        "NAT gateways": ["nat-0123"],
        "DMS replication instances": ["ours"],
        "Glue jobs": ["ours"],
        "QuickSight data sets": ["ours"],
    }


def test_audit_reports_a_refused_search(audit: Audit, account: FakeAccount) -> None:
    account.denied = True
    outcome = audit()
    assert outcome.exit_code == FOUND
    assert all(look["problem"] for look in outcome.json["result"]["account"])


def test_cost_explorer_is_never_asked(audit: Audit, account: FakeAccount) -> None:
    audit()
    assert not [name for name in account.asked if "ce." in name.lower() or "cost" in name.lower()]


def test_an_account_is_looked_at_on_aws_only(shoreline: Shoreline) -> None:
    assert shoreline("audit", "--account").exit_code == 2
    assert "Next:" not in shoreline("audit").errors
