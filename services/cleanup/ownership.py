"""Whose account and whose bucket this is: cleanup stops at the first thing that it cannot be sure of."""

from __future__ import annotations

from botocore.exceptions import ClientError

from services.aws import Aws, error_code, translated
from services.bucket import TAG
from services.errors import BucketNotOurs, WrongAccount
from services.storage import Storage


def require_account(aws: Aws, expected: str | None) -> str:
    """The account that STS names. Raises WrongAccount when it is not the expected one."""
    found = aws.account_id
    if expected is not None and found != expected:
        raise WrongAccount(f"These credentials belong to account {found}, AWS_EXPECTED_ACCOUNT_ID is {expected}.")
    return found


def require_bucket(storage: Storage) -> bool:
    """Whether the bucket is there. Raises BucketNotOurs unless it is the account's own and carries our tag.

    A tag call that fails for any other reason than that there are no tags stops everything.
    """
    if not storage.exists():
        return False
    with translated():
        try:
            tags = storage.aws.s3.get_bucket_tagging(Bucket=storage.bucket)["TagSet"]
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                return False
            if error_code(error) != "NoSuchTagSet":
                raise
            tags = []
    if TAG not in tags:
        raise BucketNotOurs(
            f"The bucket {storage.bucket} has no tag project=shoreline: nothing in it is touched.",
            next_step="Is BUCKET right? If the bucket is Shoreline's, tag it with project=shoreline yourself.",
        )
    return True
