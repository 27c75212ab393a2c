"""Look, before a job runs on AWS, who asks, whose the bucket is, what is missing and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import print_table
from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from services.errors import DatabaseError, InputError, NotAllowed, SettingsError, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from services.backups.checks import DumpProblem
    from services.costs.bill import Usage
    from services.iam.preflight import Preflight
    from services.iam.probes import Finding

JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job to check.")]


@dataclass(frozen=True)
class PreflightReport:
    """What a job would meet. `usd` is what it is predicted to cost at most; None when that depends on its options.

    `database_problems` are what would stop a backup in PostgreSQL.
    """

    job: str
    account_id: str
    arn: str
    region: str
    expected_account: str | None
    bucket: str
    findings: tuple[Finding, ...]
    usd: Decimal | None
    limit: Decimal
    database_problems: tuple[DumpProblem, ...] = ()


def command(ctx: typer.Context, job: JobName = "backup", as_json: Json = False) -> None:
    """Show the AWS identity, the bucket's owner, missing permissions and the predicted cost. Changes nothing."""
    run_job(ctx, "preflight", lambda run: preflight(run, job), show, as_json=as_json, verdict=verdict)


def preflight(run: Run, job: str) -> PreflightReport:
    """Everything that can be known before."""
    from services.iam.preflight import ROLES_OF_JOB

    if job not in ROLES_OF_JOB:
        raise InputError(f"{job!r} is no job that asks AWS: there are {', '.join(ROLES_OF_JOB)}.")
    _require_addresses(run)
    found = look(run, job)
    usage = _predict(run, job)
    return PreflightReport(
        job=job,
        account_id=found.caller.account_id,
        arn=found.caller.arn,
        region=found.caller.region,
        expected_account=run.settings.aws_expected_account_id,
        bucket=found.bucket,
        findings=found.findings,
        usd=None if usage is None else run.account.biller.cost(usage),
        limit=run.settings.max_run_cost_usd,
        database_problems=_database_problems(run) if job == "backup" else (),
    )


def _database_problems(run: Run) -> tuple[DumpProblem, ...]:
    from services.backups.checks import dump_problems

    return tuple(problem for database in run.databases for problem in dump_problems(database))


def _require_addresses(run: Run) -> None:
    """Raises SettingsError for an address that nobody could be told through, before it is needed."""
    addresses = run.settings.notify_addresses()
    if not addresses:
        return
    from services.operations.events import EventType
    from services.operations.notifications import send

    if problems := send(addresses, EventType.FAILURE, None):
        told = "".join(f"\n  NOTIFY_URLS  {problem}" for problem in problems)
        raise SettingsError(f"Settings need attention:{told}")


def before(run: Run) -> None:
    """Runs before every job on AWS: says in a line who asks, and stops a job that lacks permissions."""
    if run.settings.aws_endpoint_url is not None:
        return
    from loguru import logger

    from services.iam.preflight import ROLES_OF_JOB

    if run.job not in ROLES_OF_JOB:
        return
    found = look(run, run.job)
    logger.info(
        "AWS account {}, {}, {}; bucket {}",
        found.caller.account_id,
        found.caller.arn,
        found.caller.region,
        found.bucket,
    )
    found.require()


def require_caller(run: Run) -> None:
    """For what asks AWS without a role of its own: raises WrongAccount for another caller than the expected one."""
    from services.iam.caller import find_caller, require

    given = run.settings
    if given.aws_endpoint_url is None:
        require(find_caller(run.aws), expected=given.aws_expected_account_id, allow_root=given.aws_allow_root)


def look(run: Run, job: str) -> Preflight:
    """The look for one job. Root is refused on AWS only: LocalStack knows no one else."""
    from jobs.iam import target_of
    from services.iam.preflight import grants_of
    from services.iam.preflight import look as look_at

    given = run.settings
    on_aws = given.aws_endpoint_url is None
    return look_at(
        run.aws,
        # cleanup looks there for what another engine left
        grants_of(job, with_catalog=given.query_engine == "athena" or (on_aws and job == "cleanup")),
        target_of(run, None),
        expected=given.aws_expected_account_id,
        allow_root=given.aws_allow_root or not on_aws,
    )


def _predict(run: Run, job: str) -> Usage | None:
    """At most what the job will use; None where its options decide."""
    from jobs.cli.repository import dump_options
    from jobs.upload import sending
    from services.costs import predict

    if job == "backup":
        part_size = dump_options(run).parts.size
        uploads = (predict.upload(database.size(), part_size) for database in run.databases)
        return sum(uploads, predict.requests("ListObjectsV2", 4))
    if job == "upload":
        files = run.settings.output_dir.glob("*/year=*/month=*/day=*/data*.parquet")
        sizes = [path.stat().st_size for path in files]
        return sending(sizes) + predict.requests("HeadObject", 2 * len(sizes))
    if job == "query":
        return predict.query(run.settings.scan_limit_bytes)
    return predict.requests("PutObject", 20) if job == "setup" else None


def verdict(report: PreflightReport) -> ShorelineError | None:
    """Missing permissions fail it, and so does what would stop pg_dump."""
    from services.iam.probes import ProbeOutcome

    missing = [finding.action for finding in report.findings if finding.outcome is ProbeOutcome.MISSING]
    if missing:
        return NotAllowed(f"{report.job} lacks {', '.join(missing)}.")
    if report.database_problems:
        return DatabaseError(
            "".join(f"{each.database}: {each.problem}.\n" for each in report.database_problems).rstrip(),
            next_step=" ".join(dict.fromkeys(each.next_step for each in report.database_problems)),
        )
    return None


def show(report: PreflightReport, console: Console) -> str | None:
    """Prints who asks, and a line for each permission."""
    from services import formatting

    expected = "as expected" if report.expected_account else "AWS_EXPECTED_ACCOUNT_ID is not set"
    console.print(f"  account     {report.account_id}, {expected}", soft_wrap=True)
    console.print(f"  caller      {report.arn}", soft_wrap=True)
    console.print(f"  region      {report.region}")
    console.print(f"  bucket      {report.bucket}")
    cost = "depends on its options" if report.usd is None else f"at most {formatting.money(report.usd)}"
    console.print(f"  will cost   {cost}; the limit is {formatting.money(report.limit)}")
    rows = [(each.outcome.value, each.action, each.on.value, each.why) for each in report.findings]
    if rows:
        print_table(console, ("", "Action", "On", "What for"), rows)
    if report.bucket == "not there":
        console.print("What the bucket decides cannot be tried before it is there.")
        return "shoreline setup"
    return None if report.job == "query" else f"shoreline {report.job}"  # which query, only the user knows
