"""Whose account and whose bucket this is: cleanup stops at the first thing that it cannot be sure of."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import ClientError

from services.aws import Aws, error_code, translated
from services.bucket import TAG
from services.cleanup.scope import Scope
from services.errors import BucketNotOurs, WrongAccount
from services.storage import Storage


def require_account(aws: Aws, expected: str | None) -> str:
    """The account that STS names. Raises WrongAccount when it is not the expected one."""
    found = aws.account_id
    if expected is not None and found != expected:
        raise WrongAccount(f"These credentials belong to account {found}, AWS_EXPECTED_ACCOUNT_ID is {expected}.")
    return found


def require_alone(bucket: str, scope: Scope, going: Scope, neighbours: Mapping[str, str]) -> None:
    """Raises BucketNotOurs when another installation lies below a prefix that is `going`, as each goes whole.

    `neighbours` are the prefixes of other installations, each with the key that shows it.
    """
    for home, key in sorted(neighbours.items()):
        if (area := scope.area_of(key)) and area in going.areas:
            raise BucketNotOurs(
                f"Another installation of Shoreline lies below {area.prefix}, at s3://{bucket}/{home}/: it has {key}."
                " Cleanup would take it too, and touches nothing.",
                next_step="If it is to go, clean it up first, with its own settings; if nothing uses it any more,"
                " delete that object. If it is to stay, this prefix has to be cleared by hand.",
            )


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
