"""Who is asking: the account and the user or role that the credentials belong to."""

from __future__ import annotations

from dataclasses import dataclass

from services.errors import WrongAccount
from services.s3.client import Aws


@dataclass(frozen=True)
class Caller:
    """The account's 12 digits, and the ARN of the user or role; words where the store does not say."""

    account_id: str
    arn: str
    region: str

    @property
    def is_root(self) -> bool:
        """Whether these are the root user's credentials, which no policy limits."""
        return self.arn.endswith(":root")


def find_caller(aws: Aws) -> Caller:
    """The caller as STS names it."""
    return Caller(aws.identity.account_id, aws.identity.arn, aws.access.region)


def require(caller: Caller, *, expected: str | None, allow_root: bool) -> None:
    """Raises WrongAccount for another account than the expected one, and for the root user unless that is allowed."""
    if expected is not None and caller.account_id != expected:
        raise WrongAccount(
            f"These credentials belong to account {caller.account_id}, AWS_EXPECTED_ACCOUNT_ID is {expected}."
        )
    if caller.is_root and not allow_root:
        raise WrongAccount(
            f"These are the root credentials of account {caller.account_id}, which no policy limits.",
            next_step="Use a role with the policies of `shoreline iam`, or set AWS_ALLOW_ROOT=true if you must.",
        )
