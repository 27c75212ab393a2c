"""What Shoreline set on a bucket that stays, taken off again: lifecycle rules, policy statements, the tag."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from services.aws import error_code, translated
from services.backups.lifecycle import is_ours
from services.bucket import TAG, other_statements, read_policy
from services.storage import Storage


def take_settings(storage: Storage) -> None:
    """Takes them off, the tag last: as long as it is there, a run that was killed can be finished by the next.

    What others set stays. Public access stays blocked and encryption on: neither costs anything, and to open a
    bucket is not a cleanup's to decide.
    """
    with translated():
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
