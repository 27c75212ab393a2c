"""Checks before a job runs on AWS: the caller, the bucket's owner, and missing permissions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.errors import NotAllowed, WrongAccount
from services.iam.grants import BACKUP, CLEANUP, LAKE, QUERY, SETUP, PolicyGrant, ResourceScope, Role
from services.iam.policies import Target
from services.iam.probes import Finding, ProbeOutcome, probe
from services.s3.client import Aws
from services.s3.objects import Storage

_READING = {"s3:ListBucket", "s3:GetObject"}
_BUCKETLESS = {ResourceScope.ACCOUNT, ResourceScope.WORKGROUP, ResourceScope.CATALOG}
ROLES_OF_JOB: dict[str, tuple[Role, ...]] = {
    "setup": (SETUP,),
    "backup": (BACKUP,),
    "prune": (BACKUP,),
    "drill": (BACKUP,),
    "backups": (BACKUP,),
    "restore": (BACKUP,),
    "status": (BACKUP,),
    "export": (LAKE,),
    "upload": (LAKE,),
    "tables": (LAKE,),
    "compact": (LAKE,),
    "athena": (SETUP, QUERY),
    "query": (QUERY,),
    "cleanup": (CLEANUP,),
}
READERS = {"backups", "restore", "status", "tables"}  # jobs that write nothing into the bucket


@dataclass(frozen=True)
class Caller:
    """The account, and the user or role, that the credentials belong to."""

    account_id: str  # 12 digits, or words where the store does not say
    arn: str  # of the user or role
    region: str

    @property
    def is_root(self) -> bool:
        """Whether these are the root user's credentials, which no policy limits."""
        return self.arn.endswith(":root")


def find_caller(aws: Aws) -> Caller:
    """Return who the caller is, as far as the store says."""
    return Caller(aws.identity.account_id, aws.identity.arn, aws.access.region)


def require_caller(caller: Caller, *, expected: str | None, allow_root: bool) -> None:
    """Raise WrongAccount for an unexpected account, and for the root user unless it is allowed."""
    if expected is not None and caller.account_id != expected:
        raise WrongAccount(
            f"These credentials belong to account {caller.account_id}, AWS_EXPECTED_ACCOUNT_ID is {expected}."
        )
    if caller.is_root and not allow_root:
        raise WrongAccount(
            f"These are the root credentials of account {caller.account_id}, which no policy limits.",
            next_step="Use a role with the policies of `shoreline iam`, or set AWS_ALLOW_ROOT=true if you must.",
        )


@dataclass(frozen=True)
class Preflight:
    """The result of the checks."""

    caller: Caller
    bucket: str  # 'ours' or 'not there'
    findings: tuple[Finding, ...]

    @property
    def missing(self) -> list[Finding]:
        """The permissions that are missing."""
        return [finding for finding in self.findings if finding.outcome is ProbeOutcome.MISSING]

    def require(self) -> None:
        """Raise NotAllowed, which names the missing permissions, if there are any."""
        if self.missing:
            lines = "".join(f"\n  {finding.action} on {finding.on.value}: to {finding.why}" for finding in self.missing)
            raise NotAllowed(f"{self.caller.arn} lacks permissions that this job needs:{lines}")


def grants_of(job: str, *, with_catalog: bool) -> list[PolicyGrant]:
    """Return the grants of a job that can be probed; without a catalog, none of Glue and Athena."""
    catalog = {ResourceScope.WORKGROUP, ResourceScope.CATALOG}
    grants = [grant for role in ROLES_OF_JOB[job] for grant in role.grants]
    if job in READERS:
        grants = [grant for grant in grants if grant.action in _READING]
    if job == "athena":  # Of the role setup it needs what creates tables, not what creates the bucket.
        grants = [grant for grant in grants if grant in QUERY.grants or grant.on in catalog]
    return [
        grant
        for grant in grants
        if grant.on is not ResourceScope.KMS
        and (with_catalog or (grant.on not in catalog and not grant.action.startswith(("athena:", "glue:"))))
    ]


def look(
    aws: Aws, grants: Iterable[PolicyGrant], target: Target, *, expected: str | None, allow_root: bool
) -> Preflight:
    """Run the checks, the most important first, without changing anything.

    Raises WrongAccount, and BucketNotOurs for a bucket of another account.
    """
    caller = find_caller(aws)
    require_caller(caller, expected=expected, allow_root=allow_root)
    exists = Storage(aws, target.bucket).exists()
    probed = [grant for grant in grants if exists or grant.on in _BUCKETLESS]
    probed = [grant for grant in probed if exists or not grant.action.startswith("s3:GetBucket")]
    return Preflight(caller, "ours" if exists else "not there", tuple(probe(aws, probed, target)))
