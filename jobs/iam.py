"""Print the least-privilege IAM policies that the jobs need."""

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
    """The policies by role."""
    from services.iam.grants import ROLES
    from services.iam.policies import policy

    if role is not None and role not in ROLES:
        raise InputError(f"{role!r} is no role: there are {', '.join(ROLES)}.")
    if account is not None and not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise InputError(f"{account!r} is no account: it has 12 digits.")
    target = target_of(run, account)
    return {name: policy(each, target) for name, each in ROLES.items() if role in (None, name)}


def target_of(run: Run, account: str | None) -> Target:
    """What the policies are for, as the settings say; the account is asked of STS where nothing names it."""
    from services.iam.policies import Target

    given = run.settings
    account_id = account or given.aws_expected_account_id or run.aws.account_id
    return Target(
        account_id=account_id,
        region=given.aws_region,
        bucket=given.bucket,
        backups=f"{given.backup_prefix}/",
        lake=f"{given.lake_prefix}/",
        results=f"{given.athena_results_prefix}/",
        database=given.athena_database,
        workgroup=given.athena_workgroup,
        kms_key=_key_arn(run, account_id) if given.bucket_kms_key_id else None,
    )


def _key_arn(run: Run, account_id: str) -> str:
    """The ARN of the bucket's key; a policy cannot name a key by its alias, so that one stands for all keys."""
    given = str(run.settings.bucket_kms_key_id)
    if given.startswith("arn:"):
        return given
    key = "*" if given.startswith("alias/") else given
    return f"arn:aws:kms:{run.settings.aws_region}:{account_id}:key/{key}"


def show(policies: dict[str, Any], console: Console) -> str | None:
    """Prints the one policy as it is, to be piped into a file; several under their roles' names."""
    chosen = next(iter(policies.values())) if len(policies) == 1 else policies
    for line in json.dumps(chosen, indent=2).split("\n"):
        console.print(line, soft_wrap=True)
    return None if len(policies) == 1 else "shoreline iam backup > backup-policy.json"
