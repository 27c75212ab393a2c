"""The roles as IAM policies for one bucket, its prefixes, one database and one workgroup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.iam.grants import ROLES, PolicyGrant, ResourceScope, Role
from services.queries.athena import workgroup_arn


@dataclass(frozen=True)
class Target:
    """What a policy is for. Prefixes end in '/'; `kms_key` is a key's ARN, None where S3's own keys encrypt."""

    account_id: str
    region: str
    bucket: str
    backups: str
    lake: str
    results: str
    database: str
    workgroup: str
    kms_key: str | None = None


def policy(role: Role, target: Target) -> dict[str, Any]:
    """The policy document of a role: one statement for each kind of resource, its actions sorted.

    What is not in it is not allowed: there is no statement that denies.
    """
    resources = _resources(target)
    statements = []
    for on in ResourceScope:
        actions = sorted({grant.action for grant in role.grants if grant.on is on})
        if actions and resources[on]:
            sid = "".join(word.capitalize() for word in on.name.split("_"))
            statements.append({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources[on]})
    return {"Version": "2012-10-17", "Statement": statements}


def _resources(target: Target) -> Mapping[ResourceScope, list[str]]:
    bucket = f"arn:aws:s3:::{target.bucket}"
    glue = f"arn:aws:glue:{target.region}:{target.account_id}"
    return {
        ResourceScope.ACCOUNT: ["*"],
        ResourceScope.BUCKET: [bucket],
        ResourceScope.BACKUPS: [f"{bucket}/{target.backups}*"],
        ResourceScope.LAKE: [f"{bucket}/{target.lake}*"],
        ResourceScope.RESULTS: [f"{bucket}/{target.results}*"],
        ResourceScope.KMS: [target.kms_key] if target.kms_key else [],
        ResourceScope.WORKGROUP: [workgroup_arn(target.region, target.account_id, target.workgroup)],
        ResourceScope.CATALOG: [
            f"{glue}:catalog",
            f"{glue}:database/default",
            f"{glue}:database/{target.database}",
            f"{glue}:table/{target.database}/*",
            f"{glue}:userDefinedFunction/{target.database}/*",
        ],
    }


def explain() -> str:
    """Every role's actions with what each is on and is for, as Markdown tables."""
    return "\n".join(_table(role) for role in ROLES.values())


def _table(role: Role) -> str:
    rows = [f"| `{', '.join(actions)}` | {on} | {why} |" for actions, on, why in _rows(role.grants)]
    head = f"## {role.name}\n\nFor the jobs {role.jobs}.\n\n| actions | on | what for |\n|---|---|---|"
    return "\n".join([head, *rows, ""])


def _rows(grants: Iterable[PolicyGrant]) -> Iterable[tuple[list[str], str, str]]:
    """Grants with one resource and reason in one row."""
    rows: dict[tuple[str, str], list[str]] = {}
    for grant in grants:
        why = f"{grant.why} ({grant.unseen})" if grant.unseen else grant.why
        rows.setdefault((grant.on.value, why), []).append(grant.action)
    return [(actions, on, why) for (on, why), actions in rows.items()]
