"""The caller: the account and the user or role that the credentials belong to."""

from __future__ import annotations

from dataclasses import dataclass

from services.errors import WrongAccount
from services.s3.client import Aws, translate_errors


@dataclass(frozen=True)
class Caller:
    """The account, and the user or role, that the credentials belong to."""

    account_id: str  # 12 digits
    arn: str  # of the user or role
    region: str

    @property
    def is_root(self) -> bool:
        """Whether these are the root user's credentials, which no policy limits."""
        return self.arn.endswith(":root")


def find_caller(aws: Aws) -> Caller:
    """Ask STS who the caller is."""
    with translate_errors():
        identity = aws.sts.get_caller_identity()
    return Caller(identity["Account"], identity["Arn"], aws.access.region)


def require(caller: Caller, *, expected: str | None, allow_root: bool) -> None:
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
