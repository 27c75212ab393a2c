"""The iam job: prints the least-privilege IAM policies that the jobs need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, run_job
from services.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from services.iam.policies import Target

RoleName = Annotated[
    str | None, typer.Argument(metavar="ROLE", help="backup, lake, query, setup or cleanup; default: all.")
]
Account = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="The account's 12 digits; default: ask STS.")
]


def command(ctx: typer.Context, role: RoleName = None, account: Account = None, as_json: Json = False) -> None:
    """Print the least-privilege IAM policy of a role, or of all, for the bucket and prefixes of the settings."""
    run_job(ctx, "iam", lambda run: iam(run, role, account), show, as_json=as_json)


def iam(run: Run, role: str | None, account: str | None) -> dict[str, Any]:
    """Return the policies by role."""
    from services.iam.grants import ROLES
    from services.iam.policies import policy

    if role is not None and role not in ROLES:
        raise InputError(f"{role!r} is not a role: expected one of {', '.join(ROLES)}.")
    if account is not None and not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise InputError(f"{account!r} is not an account ID: expected 12 digits.")
    target = target_of(run, account)
    return {name: policy(each, target) for name, each in ROLES.items() if role in (None, name)}


def target_of(run: Run, account: str | None) -> Target:
    """Return what the policies apply to, by the settings; STS names the account where no setting does."""
    from services.iam.policies import Target

    settings = run.settings
    account_id = account or settings.aws_expected_account_id or run.aws.account_id
    return Target(
        account_id=account_id,
        region=settings.aws_region,
        bucket=settings.bucket,
        backups=f"{settings.backup_prefix}/",
        lake=f"{settings.lake_prefix}/",
        results=f"{settings.athena_results_prefix}/",
        database=settings.athena_database,
        workgroup=settings.athena_workgroup,
        kms_key=_key_arn(run, account_id) if settings.bucket_kms_key_id else None,
    )


def _key_arn(run: Run, account_id: str) -> str:
    """Return the ARN of the bucket's key. A policy cannot name a key by its alias: that becomes all keys."""
    key = str(run.settings.bucket_kms_key_id)
    if key.startswith("arn:"):
        return key
    key = "*" if key.startswith("alias/") else key
    return f"arn:aws:kms:{run.settings.aws_region}:{account_id}:key/{key}"


def show(policies: dict[str, Any], console: Console) -> str | None:
    """Print one policy alone, to be piped into a file; several under their roles' names."""
    chosen = next(iter(policies.values())) if len(policies) == 1 else policies
    for line in json.dumps(chosen, indent=2).split("\n"):
        console.print(line, soft_wrap=True)
    return None if len(policies) == 1 else "shoreline iam backup > backup-policy.json"
