"""On AWS a job begins only when the account, the bucket and the permissions are what they should be.

AWS is LocalStack here, reached as AWS is: without AWS_ENDPOINT_URL, so that the jobs take it for the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline, stand_in
from tests.fakes.catalog import FakeCatalog
from tests.faults.proxy import Answer, Asked, Fault, FaultProxy

NOT_OURS, WRONG_ACCOUNT, NOT_ALLOWED = 9, 24, 26
_DENIED = Answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
Decide = Callable[[Asked], Fault | None]
OnAws = Callable[..., tuple[Outcome, FaultProxy]]


def caller(asked: Asked, arn: str) -> Answer | None:
    """STS, answering with another caller than LocalStack's, which is root."""
    if b"GetCallerIdentity" not in asked.body:
        return None
    found = f"<Arn>{arn}</Arn><UserId>u</UserId><Account>000000000000</Account>"
    return Answer(
        200,
        f"<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>{found}"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>".encode(),
        {"Content-Type": "text/xml"},
    )


@pytest.fixture
def on_aws(shoreline: Shoreline, stack: dict[str, str]) -> OnAws:
    """Runs a job on 'AWS'; `decide` makes its faults, `arn` is who asks."""

    def run(
        *arguments: str,
        decide: Decide = lambda _: None,
        arn: str = "arn:aws:sts::000000000000:assumed-role/backup/session",
        env: dict[str, str] | None = None,
    ) -> tuple[Outcome, FaultProxy]:
        catalog = FakeCatalog()

        def answer(asked: Asked) -> Fault | None:
            return caller(asked, arn) or catalog(asked) or decide(asked)

        with FaultProxy(stack["AWS_ENDPOINT_URL"], answer) as proxy:
            outcome = shoreline(*arguments, env={**stand_in(proxy.url), **(env or {})})
            return outcome, proxy

    return run


def writes(proxy: FaultProxy) -> list[str]:
    """The requests that would have changed something: the probes among them carry what cannot hold."""
    return [
        f"{asked.method} {asked.path}"
        for asked in proxy.asked
        if asked.method in {"PUT", "DELETE", "POST"} and "preflight-" not in asked.path and asked.path != "/"
    ]


@pytest.mark.usefixtures("database")
def test_backup_on_aws_logs_the_caller(on_aws: OnAws, storage: Storage) -> None:
    outcome, _ = on_aws("backup")
    assert outcome.exit_code == 0, outcome.errors
    assert "arn:aws:sts::000000000000:assumed-role/backup/session" in outcome.errors


@pytest.mark.usefixtures("database")
def test_the_probes_leave_nothing_behind(on_aws: OnAws, storage: Storage) -> None:
    storage.aws.s3.put_bucket_versioning(Bucket=storage.bucket, VersioningConfiguration={"Status": "Enabled"})
    for job in ("backup", "upload", "cleanup", "setup", "query"):
        outcome, proxy = on_aws("preflight", job, "--json")
        assert outcome.exit_code == 0, outcome.errors
        assert not writes(proxy)
    listed = storage.aws.s3.list_object_versions(Bucket=storage.bucket)
    assert not listed.get("Versions")
    assert not listed.get("DeleteMarkers")


def test_a_missing_permission_is_named_before_anything_is_written(on_aws: OnAws, storage: Storage) -> None:
    outcome, proxy = on_aws("backup", decide=lambda asked: _DENIED if asked.method == "PUT" else None)
    assert outcome.exit_code == NOT_ALLOWED
    assert "s3:PutObject on keys below BACKUP_PREFIX" in outcome.errors
    assert not writes(proxy)
    assert "Traceback" not in outcome.errors


def test_jobs_that_only_read_need_no_right_to_write(on_aws: OnAws, storage: Storage) -> None:
    outcome, _ = on_aws("backups", decide=lambda asked: _DENIED if asked.method == "PUT" else None)
    assert outcome.exit_code == 0, outcome.errors


def test_root_user_is_refused_unless_allowed(on_aws: OnAws, storage: Storage) -> None:
    root = "arn:aws:iam::000000000000:root"
    outcome, _ = on_aws("backups", arn=root)
    assert outcome.exit_code == WRONG_ACCOUNT
    assert "root credentials" in outcome.errors
    allowed, _ = on_aws("backups", arn=root, env={"AWS_ALLOW_ROOT": "true"})
    assert allowed.exit_code == 0, allowed.errors


def test_every_job_refuses_an_unexpected_account(on_aws: OnAws, storage: Storage) -> None:
    for job in ("backup", "upload", "setup", "cleanup"):
        outcome, proxy = on_aws(job, env={"AWS_EXPECTED_ACCOUNT_ID": "111111111111"})
        assert outcome.exit_code == WRONG_ACCOUNT
        assert [asked.path for asked in proxy.asked] == ["/"], "STS, and nothing else"


def test_a_bucket_of_someone_else_is_refused(on_aws: OnAws, storage: Storage) -> None:
    outcome, proxy = on_aws("backup", decide=lambda asked: _DENIED if asked.method == "HEAD" else None)
    assert outcome.exit_code == NOT_OURS
    assert not writes(proxy)


@pytest.mark.usefixtures("database")
def test_preflight_shows_account_bucket_permissions_and_cost(on_aws: OnAws, storage: Storage) -> None:
    outcome, _ = on_aws("preflight", "backup")
    assert outcome.exit_code == 0, outcome.errors
    for part in (
        "account     000000000000, as expected",
        "bucket      owned by this account",
        "will cost   at most $",
        "s3:PutObject",
    ):
        assert part in outcome.output


@pytest.mark.parametrize("job", ["audit --account", "cost --from-backups", "prices --refresh"])
@pytest.mark.parametrize(
    ("env", "arn"),
    [
        ({"AWS_EXPECTED_ACCOUNT_ID": "111111111111"}, "arn:aws:sts::000000000000:assumed-role/backup/session"),
        ({}, "arn:aws:iam::000000000000:root"),
    ],
)
def test_jobs_without_a_role_refuse_an_unexpected_caller(
    on_aws: OnAws, storage: Storage, job: str, env: dict[str, str], arn: str
) -> None:
    outcome, proxy = on_aws(*job.split(), env=env, arn=arn)
    assert outcome.exit_code == WRONG_ACCOUNT, outcome.errors
    assert [asked.method for asked in proxy.asked] == ["POST"]  # GetCallerIdentity, and nothing more


def test_preflight_ignores_athena_with_another_engine(on_aws: OnAws, storage: Storage) -> None:
    for job, asked in (("setup", False), ("athena", False), ("query", False), ("cleanup", True)):
        outcome, _ = on_aws("preflight", job, "--json", env={"QUERY_ENGINE": "duckdb"})
        assert outcome.exit_code == 0, outcome.errors
        actions = {finding["action"] for finding in outcome.json["result"]["findings"]}
        assert bool([action for action in actions if action.startswith(("athena:", "glue:"))]) == asked, job


def test_preflight_counts_the_parts_of_large_files(on_aws: OnAws, storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "output/orders/year=2025/month=01/day=10/data.parquet"
    file.parent.mkdir(parents=True)
    with file.open("wb") as sparse:
        sparse.truncate(256_000_000)
    outcome, _ = on_aws("preflight", "upload", "--json")
    puts = 33 * Decimal("0.000005")
    assert Decimal(outcome.json["result"]["usd"]) == puts + 2 * Decimal("0.0000004")


@pytest.mark.usefixtures("database")
def test_preflight_without_bucket_suggests_setup(shoreline: Shoreline) -> None:
    outcome = shoreline("preflight", env={"BUCKET": "no-such-bucket-of-ours"})
    assert outcome.exit_code == 0, outcome.errors
    assert "What for" not in outcome.output
    assert "Next: shoreline setup" in outcome.errors
