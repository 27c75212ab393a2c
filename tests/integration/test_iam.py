"""The policies against what the meter saw each job ask for: none missing, none superfluous."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jobs.cli.progress import Progress
from services.backups.lifecycle import rules
from services.backups.naming import Naming
from services.backups.repository import BackupRepository
from services.backups.retention import Retention
from services.cleanup import Area, Cleanup, Names, Scope
from services.costs.account import Account
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.iam.grants import BACKUP, CLEANUP, LAKE, QUERY, ROLES, SETUP, ResourceScope, Role
from services.iam.policies import Target, explain, policy
from services.postgres.client import Database
from services.s3.bucket import Bucket
from services.s3.client import Aws
from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline
from tests.fakes.athena import FakeAthena
from tests.fakes.catalog import FakeCatalog, Table
from tests.faults.proxy import FaultProxy
from tests.integration.filled import fill
from tests.integration.iam_actions import actions_of

PROJECT = Path(__file__).resolve().parents[2]
TARGET = Target("123456789012", "eu-west-1", "b", "backups/postgres/", "datalake/", "athena-results/", "db", "wg")
MANAGED_POLICY_CHARACTERS = 6144  # that IAM takes, white space not counted
Operations = set[tuple[str, str]]


def asked(*outcomes: Outcome) -> Operations:
    """The operations in the receipts of some jobs, each of which succeeded."""
    for outcome in outcomes:
        assert outcome.exit_code == 0, outcome.errors
    requests = [row for outcome in outcomes for row in outcome.json["receipt"]["usage"]["requests"]]
    return {(row["service"], row["operation"]) for row in requests}


def metered(account: Account) -> Operations:
    """The operations that a meter saw."""
    return set(account.meter.snapshot().operations())


def meter() -> Account:
    biller = Biller(load_prices(), "us-east-1", "internet")
    return Account(biller, limit=Decimal(1), enforced=False, billed=False)


def hold(role: Role, operations: Operations, services: Iterable[str] = ("s3", "athena", "glue", "kms")) -> None:
    """Every operation is allowed by the role, and every action of the role was needed by one."""
    needed = {operation: actions_of(*operation) for operation in operations}
    missing = {operation for operation, actions in needed.items() if actions and not set(actions) & role.actions}
    assert not missing
    used = {action for actions in needed.values() for action in actions}
    seen = {each.action for each in role.grants if not each.unseen and each.action.partition(":")[0] in services}
    assert not seen - used, "superfluous"


def test_backup_role_allows_exactly_what_its_jobs_use(
    shoreline: Shoreline, storage: Storage, database: Database, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS a")
    leftover = "backups/postgres/2020/01/01/backup_20200101_000000.sql.gz"
    storage.put(leftover, b"of a run that was killed")
    storage.start_upload(leftover.replace("000000.sql", "000001.sql"), content_type="application/gzip")
    into = f"{database.name}_restored"
    jobs = (("backup",), ("backups",), ("prune",), ("drill",), ("status",), ("restore", "--latest", "--into", into))
    try:
        hold(BACKUP, asked(*(shoreline(*job, "--json") for job in jobs)))
    finally:
        database.sibling(into).drop()


def test_lake_role_allows_exactly_what_its_jobs_use(shoreline: Shoreline, storage: Storage, tmp_path: Path) -> None:
    made = [shoreline("generate", "--json"), shoreline("upload", "--json")]
    storage.put("datalake/orders/year=2025/month=01/day=10/stray.parquet", b"of an older upload")
    (tmp_path / "output/orders/year=2025/month=01/day=10/data.parquet").unlink()
    made += [shoreline("generate", "--json", "--seed", "2"), shoreline("upload", "--delete-foreign", "--json")]
    body = (tmp_path / "output/orders/year=2025/month=01/day=10/data.parquet").read_bytes()
    for number in (0, 1):
        storage.put(f"datalake/orders/year=2025/month=01/day=10/part-{number}.snappy.parquet", body)
    made += [shoreline("compact", "--json"), shoreline("tables", "--json")]
    assert made[-2].json["result"]["files_after"] == 1
    hold(LAKE, asked(*made))


def test_setup_role_allows_exactly_what_it_uses_of_s3(aws: Aws, storage: Storage) -> None:
    account = meter()
    ours = aws.again(account.attach)
    lifecycle = rules("backups/postgres", Retention(days=30, minimum=3))
    aws.s3.delete_public_access_block(Bucket=storage.bucket)
    aws.s3.delete_bucket_tagging(Bucket=storage.bucket)
    for name in (f"{storage.bucket}-setup", storage.bucket):
        Bucket(Storage(ours, name), region="us-east-1", on_aws=True, rules=lifecycle, kms_key="alias/mine").setup()
    hold(SETUP, metered(account), ["s3"])


def test_setup_and_query_roles_allow_exactly_what_athena_uses(
    shoreline: Shoreline, storage: Storage, stack: dict[str, str]
) -> None:
    made = [shoreline("generate", "--json"), shoreline("upload", "--json")]
    assert [outcome.exit_code for outcome in made] == [0, 0]
    fake = FakeAthena()
    sql = "SELECT count(*) FROM orders WHERE year = 2025 AND month = 1 AND day = 10"
    with FaultProxy(stack["AWS_ENDPOINT_URL"], fake) as proxy:
        env = {"AWS_ENDPOINT_URL": proxy.url, "QUERY_ENGINE": "athena"}
        tables = asked(shoreline("athena", "--json", env=env), shoreline("athena", "--json", env=env))
        query = asked(shoreline("query", sql, "--json", env=env))
    hold(QUERY, query)
    both = Role("both", "athena", (*SETUP.grants, *QUERY.grants))
    hold(both, tables, ["athena", "glue"])


def test_cleanup_role_allows_exactly_what_cleanup_uses(
    aws: Aws, storage: Storage, stack: dict[str, str], tmp_path: Path, database: Database
) -> None:
    fill(storage, objects=6, versions=2, uploads=2)
    lake = f"s3://{storage.bucket}/datalake/"
    catalog = FakeCatalog(
        {"saas_datalake": {"orders": Table(f"{lake}orders/", [["2025", "1", "10"]])}},
        workgroups={"shoreline": {"project": "shoreline"}},
    )
    account = meter()
    with FaultProxy(stack["AWS_ENDPOINT_URL"], catalog) as proxy:
        access = type(aws.access)(region="us-east-1", endpoint_url=proxy.url)
        ours = Storage(Aws(access, account.attach), storage.bucket)
        report = everything(ours, lake, database, tmp_path, account)
    assert all(check.passed for check in report.checks), report.checks
    hold(CLEANUP, metered(account))


def everything(storage: Storage, lake: str, server: Database, folder: Path, account: Account) -> Any:
    """A whole cleanup, as on AWS."""
    from rich.console import Console

    areas = (
        Area("backups", "backups/postgres/", holds_backups=True),
        Area("lake", "datalake/"),
        Area("query results", "athena-results/"),
    )
    work = Cleanup(
        storage=storage,
        scope=Scope(areas),
        names=Names("saas_datalake", "shoreline", (lake,)),
        servers=(server,),
        output=folder / "output",
        receipts=folder / "receipts",
        expected_account=None,
        whole_account=True,
        biller=account.biller,
        now=datetime.now(UTC),
        progress=Progress(Console(stderr=True)),
    )
    plan = work.plan()
    with BackupRepository(storage, Naming("backups/postgres"), "run").lease("cleanup") as lease:
        return work.carry_out(plan, lease)


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES.keys())
def test_policy_names_own_resources_and_fits_into_iam(role: Role) -> None:
    made = policy(role, TARGET)
    text = json.dumps(made, separators=(",", ":"))
    assert len(text) <= MANAGED_POLICY_CHARACTERS
    for statement in made["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        if statement["Sid"] != "Account":
            assert "*" not in statement["Resource"]
    anywhere = {grant.action for grant in role.grants if grant.on is ResourceScope.ACCOUNT}
    assert anywhere <= {"s3:ListAllMyBuckets", "s3:GetBucketTagging", "athena:ListWorkGroups"}


def test_only_cleanup_deletes_versions_and_only_two_roles_backups() -> None:
    assert [name for name, role in ROLES.items() if "s3:DeleteObjectVersion" in role.actions] == ["cleanup"]
    deleting = [
        name
        for name, role in ROLES.items()
        for grant in role.grants
        if grant.on is ResourceScope.BACKUPS and grant.action.startswith("s3:DeleteObject")
    ]
    assert deleting == ["backup", "cleanup"]


def test_the_document_explains_every_action() -> None:
    text = (PROJECT / "docs" / "iam.md").read_text(encoding="utf-8")
    assert explain() in text, "regenerate it: python -c 'from services.iam.policies import explain; print(explain())'"


def test_single_policy_is_printed_alone(shoreline: Shoreline) -> None:
    outcome = shoreline("iam", "backup", "--account", "123456789012")
    assert outcome.exit_code == 0, outcome.errors
    assert json.loads(outcome.output)["Version"] == "2012-10-17"
    assert shoreline("iam", "emperor").exit_code == 2
