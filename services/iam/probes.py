"""Probes for missing permissions: requests to AWS that change nothing.

AWS checks permissions before it checks that the resource exists. A request for something that cannot exist is therefore
answered with 'access denied' if it is not allowed, and with another error if it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from services.concurrency import each
from services.iam.grants import PolicyGrant, ResourceScope
from services.iam.policies import Target
from services.queries.athena import workgroup_arn
from services.s3.client import Aws, error_code, translate_errors

_DENIED = {"AccessDenied", "403", "AccessDeniedException", "UnauthorizedException", "Forbidden"}
_NO_UPLOAD = "shoreline-preflight"
Ask = Callable[[Aws, Target, str], Any]


class ProbeOutcome(StrEnum):
    """The outcome of a probe."""

    ALLOWED = "allowed"
    MISSING = "MISSING"
    UNTRIED = "not tried"


@dataclass(frozen=True)
class Finding:
    """An action on a resource, and whether it is allowed."""

    action: str
    on: ResourceScope
    outcome: ProbeOutcome
    why: str  # what the job needs it for, or why it was not tried


def probe(aws: Aws, grants: Iterable[PolicyGrant], target: Target) -> list[Finding]:
    """Try each grant once, many at once. Raises what `translate_errors` raises for anything but a refusal."""
    unique = {(grant.action, grant.on): grant for grant in grants}
    for service in {action.partition(":")[0] for action, _ in unique if action in _PROBES}:
        getattr(aws, service)  # A boto3 session creates clients on one thread only.
    return list(each(lambda grant: _try(aws, grant, target), unique.values()))


def _try(aws: Aws, grant: PolicyGrant, target: Target) -> Finding:
    ask = _PROBES.get(grant.action)
    if ask is None:
        reads = grant.action.startswith("s3:Get")
        why = "only an existing version could show it" if reads else "trying it would change something"
        return Finding(grant.action, grant.on, ProbeOutcome.UNTRIED, why)
    with translate_errors():
        try:
            ask(aws, target, _prefix(grant.on, target) + f"preflight-{uuid.uuid4().hex}")
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if error_code(error) in _DENIED:
                return Finding(grant.action, grant.on, ProbeOutcome.MISSING, grant.why)
            if status >= 500:
                raise
    return Finding(grant.action, grant.on, ProbeOutcome.ALLOWED, grant.why)


def _prefix(on: ResourceScope, target: Target) -> str:
    return {
        ResourceScope.BACKUPS: target.backups,
        ResourceScope.LAKE: target.lake,
        ResourceScope.RESULTS: target.results,
    }.get(on, "")


_PROBES: Mapping[str, Ask] = {
    "s3:ListAllMyBuckets": lambda aws, _, __: aws.s3.list_buckets(MaxBuckets=1),
    "s3:ListBucket": lambda aws, target, _: aws.s3.list_objects_v2(Bucket=target.bucket, MaxKeys=1),
    "s3:ListBucketVersions": lambda aws, target, _: aws.s3.list_object_versions(Bucket=target.bucket, MaxKeys=1),
    "s3:ListBucketMultipartUploads": lambda aws, target, _: aws.s3.list_multipart_uploads(
        Bucket=target.bucket, MaxUploads=1
    ),
    "s3:GetBucketLocation": lambda aws, target, _: aws.s3.get_bucket_location(Bucket=target.bucket),
    "s3:GetBucketTagging": lambda aws, target, _: aws.s3.get_bucket_tagging(Bucket=target.bucket),
    "s3:GetBucketPolicy": lambda aws, target, _: aws.s3.get_bucket_policy(Bucket=target.bucket),
    "s3:GetEncryptionConfiguration": lambda aws, target, _: aws.s3.get_bucket_encryption(Bucket=target.bucket),
    "s3:GetBucketPublicAccessBlock": lambda aws, target, _: aws.s3.get_public_access_block(Bucket=target.bucket),
    "s3:GetLifecycleConfiguration": lambda aws, target, _: aws.s3.get_bucket_lifecycle_configuration(
        Bucket=target.bucket
    ),
    "s3:GetBucketObjectLockConfiguration": lambda aws, target, _: aws.s3.get_object_lock_configuration(
        Bucket=target.bucket
    ),
    "s3:GetObject": lambda aws, target, key: aws.s3.get_object(Bucket=target.bucket, Key=key),
    # No object has this ETag, and there is no object: the condition fails after the permission was checked.
    "s3:PutObject": lambda aws, target, key: aws.s3.put_object(Bucket=target.bucket, Key=key, IfMatch='"0"'),
    "s3:DeleteObjectVersion": lambda aws, target, key: aws.s3.delete_object(
        Bucket=target.bucket, Key=key, VersionId="null"
    ),
    "s3:AbortMultipartUpload": lambda aws, target, key: aws.s3.abort_multipart_upload(
        Bucket=target.bucket, Key=key, UploadId=_NO_UPLOAD
    ),
    "s3:ListMultipartUploadParts": lambda aws, target, key: aws.s3.list_parts(
        Bucket=target.bucket, Key=key, UploadId=_NO_UPLOAD
    ),
    "athena:GetWorkGroup": lambda aws, target, _: aws.athena.get_work_group(WorkGroup=target.workgroup),
    "athena:ListWorkGroups": lambda aws, _, __: aws.athena.list_work_groups(MaxResults=1),
    "athena:ListNamedQueries": lambda aws, target, _: aws.athena.list_named_queries(
        WorkGroup=target.workgroup, MaxResults=1
    ),
    "athena:ListPreparedStatements": lambda aws, target, _: aws.athena.list_prepared_statements(
        WorkGroup=target.workgroup, MaxResults=1
    ),
    "athena:ListTagsForResource": lambda aws, target, _: aws.athena.list_tags_for_resource(
        ResourceARN=workgroup_arn(target.region, target.account_id, target.workgroup)
    ),
    "glue:GetDatabase": lambda aws, target, _: aws.glue.get_database(Name=target.database),
    "glue:GetTables": lambda aws, target, _: aws.glue.get_tables(DatabaseName=target.database, MaxResults=1),
    "glue:GetTable": lambda aws, target, name: aws.glue.get_table(
        DatabaseName=target.database, Name=name.replace("-", "_")
    ),
    "glue:GetPartitions": lambda aws, target, name: aws.glue.get_partitions(
        DatabaseName=target.database, TableName=name.replace("-", "_"), MaxResults=1
    ),
}
