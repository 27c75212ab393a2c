"""IAM policies of the roles, for one bucket with its prefixes, one database and one workgroup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.iam.grants import ROLES, PolicyGrant, ResourceScope, Role
from services.queries.athena import workgroup_arn


@dataclass(frozen=True)
class Target:
    """The resources that a policy allows actions on. Prefixes end in '/'."""

    account_id: str
    region: str
    bucket: str
    backups: str
    lake: str
    results: str
    database: str
    workgroup: str
    kms_key: str | None = None  # an ARN; None where S3's own keys encrypt


def policy(role: Role, target: Target) -> dict[str, Any]:
    """Return a role's policy document: one statement for each kind of resource, its actions sorted.

    It has no deny statements: what it does not name is not allowed.
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
    """Return every role's actions, resources and reasons as Markdown tables."""
    return "\n".join(_table(role) for role in ROLES.values())


def _table(role: Role) -> str:
    rows = [f"| `{', '.join(actions)}` | {on} | {why} |" for actions, on, why in _rows(role.grants)]
    head = f"## {role.name}\n\nFor the jobs {role.jobs}.\n\n| actions | on | reason |\n|---|---|---|"
    return "\n".join([head, *rows, ""])


def _rows(grants: Iterable[PolicyGrant]) -> Iterable[tuple[list[str], str, str]]:
    """Group the grants of the same resource and reason."""
    rows: dict[tuple[str, str], list[str]] = {}
    for grant in grants:
        why = f"{grant.why} ({grant.unseen})" if grant.unseen else grant.why
        rows.setdefault((grant.on.value, why), []).append(grant.action)
    return [(actions, on, why) for (on, why), actions in rows.items()]
