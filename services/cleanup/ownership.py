"""Whose account and whose bucket this is: cleanup stops at the first thing that it cannot be sure of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from services.backups.lifecycle import is_ours
from services.cleanup.listing import Scope
from services.errors import BucketNotOurs, WrongAccount
from services.s3.bucket import TAG, other_statements, read_policy
from services.s3.client import Aws, error_code, translate_errors
from services.s3.objects import Storage


def take_settings(storage: Storage) -> None:
    """Takes them off, the tag last: as long as it is there, a run that was killed can be finished by the next.

    What others set stays. Public access stays blocked and encryption on: neither costs anything, and to open a
    bucket is not a cleanup's to decide.
    """
    with translate_errors():
        _take_rules(storage)
        _take_statements(storage)
        _take_tag(storage)


def rules(storage: Storage) -> list[Any]:
    """The bucket's lifecycle rules."""
    try:
        return list(storage.aws.s3.get_bucket_lifecycle_configuration(Bucket=storage.bucket).get("Rules", []))
    except ClientError as error:
        if error_code(error) == "NoSuchLifecycleConfiguration":
            return []
        raise


def tags(storage: Storage) -> list[Any]:
    """The bucket's tags."""
    try:
        return list(storage.aws.s3.get_bucket_tagging(Bucket=storage.bucket)["TagSet"])
    except ClientError as error:
        if error_code(error) == "NoSuchTagSet":
            return []
        raise


def _take_rules(storage: Storage) -> None:
    found = rules(storage)
    others: Any = [rule for rule in found if not is_ours(rule)]
    if len(others) == len(found):
        return
    if others:
        storage.aws.s3.put_bucket_lifecycle_configuration(
            Bucket=storage.bucket, LifecycleConfiguration={"Rules": others}
        )
    else:
        storage.aws.s3.delete_bucket_lifecycle(Bucket=storage.bucket)


def _take_statements(storage: Storage) -> None:
    policy = read_policy(storage)
    if policy is None:
        return
    others = other_statements(policy)
    if others:
        storage.aws.s3.put_bucket_policy(Bucket=storage.bucket, Policy=json.dumps({**policy, "Statement": others}))
    else:
        storage.aws.s3.delete_bucket_policy(Bucket=storage.bucket)


def _take_tag(storage: Storage) -> None:
    others = [tag for tag in tags(storage) if tag != TAG]
    if others:
        storage.aws.s3.put_bucket_tagging(Bucket=storage.bucket, Tagging={"TagSet": others})
    else:
        storage.aws.s3.delete_bucket_tagging(Bucket=storage.bucket)


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
    with translate_errors():
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
