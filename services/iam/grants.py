"""The permissions of each role, with reasons: the least that its jobs need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ResourceScope(StrEnum):
    """The resources that a grant applies to."""

    ACCOUNT = "every resource"
    BUCKET = "the bucket"
    BACKUPS = "keys below BACKUP_PREFIX"
    LAKE = "keys below LAKE_PREFIX"
    RESULTS = "keys below ATHENA_RESULTS_PREFIX"
    KMS = "the bucket's KMS key"
    WORKGROUP = "the workgroup"
    CATALOG = "the database and its tables"


@dataclass(frozen=True)
class PolicyGrant:
    """One allowed action."""

    action: str
    on: ResourceScope
    why: str
    unseen: str = ""  # why the meter does not see it in a plain run, where that is so


@dataclass(frozen=True)
class Role:
    """A set of jobs and everything that they may do."""

    name: str
    jobs: str
    grants: tuple[PolicyGrant, ...]

    @property
    def actions(self) -> frozenset[str]:
        """The names of its actions."""
        return frozenset(grant.action for grant in self.grants)


_ATHENA = "done by Athena, with the caller's rights"
_KMS = "done by S3, with the caller's rights, where BUCKET_KMS_KEY_ID is set"
_FAILING = "only when an upload fails"
_LOCKED = "only where Object Lock is on"
_STAYS = "only where the bucket stays because it holds other objects"
_LIST = PolicyGrant("s3:ListBucket", ResourceScope.BUCKET, "check that the bucket exists and who owns it; list keys")


def _on(on: ResourceScope, why: str, *actions: str, unseen: str = "") -> Iterable[PolicyGrant]:
    return (PolicyGrant(action, on, why, unseen) for action in actions)


BACKUP = Role(
    "backup",
    "backup, backups, prune, restore, drill, status",
    (
        _LIST,
        PolicyGrant("s3:ListBucketMultipartUploads", ResourceScope.BUCKET, "find uploads left by killed runs"),
        PolicyGrant(
            "s3:GetObject", ResourceScope.BACKUPS, "read manifests, the lease, and the dumps that are restored"
        ),
        PolicyGrant("s3:PutObject", ResourceScope.BACKUPS, "write dumps, manifests, drill records and the lease"),
        PolicyGrant("s3:DeleteObject", ResourceScope.BACKUPS, "apply retention, remove leftovers of failed runs"),
        PolicyGrant("s3:AbortMultipartUpload", ResourceScope.BACKUPS, "abort uploads left by killed runs"),
        *_on(ResourceScope.KMS, "encrypt and read objects", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
LAKE = Role(
    "lake",
    "generate, export, upload, compact, tables",
    (
        _LIST,
        PolicyGrant(
            "s3:GetObject",
            ResourceScope.LAKE,
            "compare checksums, read the lake's manifests, and the files that are merged",
        ),
        PolicyGrant("s3:PutObject", ResourceScope.LAKE, "write files and manifests"),
        PolicyGrant(
            "s3:DeleteObject",
            ResourceScope.LAKE,
            "remove leftover files of rewritten partitions, and files that were merged",
        ),
        PolicyGrant("s3:AbortMultipartUpload", ResourceScope.LAKE, "abort a failed upload of a large file", _FAILING),
        *_on(ResourceScope.KMS, "encrypt and read objects", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
QUERY = Role(
    "query",
    "query; athena, together with the role setup",
    (
        *_on(
            ResourceScope.WORKGROUP,
            "run queries, follow them, stop them, fetch their results",
            "athena:StartQueryExecution",
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
        ),
        PolicyGrant(
            "athena:StopQueryExecution",
            ResourceScope.WORKGROUP,
            "cancel a query on Ctrl-C",
            "only when a query is cancelled",
        ),
        _LIST,
        PolicyGrant(
            "s3:GetObject", ResourceScope.LAKE, "read the files' footers for the prediction; Athena reads the rows"
        ),
        *_on(
            ResourceScope.CATALOG,
            "find tables and partitions",
            "glue:GetDatabase",
            "glue:GetTable",
            "glue:GetPartition",
            "glue:GetPartitions",
            unseen=_ATHENA,
        ),
        PolicyGrant("s3:GetBucketLocation", ResourceScope.BUCKET, "find the bucket's region", _ATHENA),
        PolicyGrant("s3:ListBucketMultipartUploads", ResourceScope.BUCKET, "write results", _ATHENA),
        *_on(
            ResourceScope.RESULTS,
            "write and read results",
            "s3:GetObject",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            unseen=_ATHENA,
        ),
        *_on(ResourceScope.KMS, "read rows, encrypt results", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
_DDL = "CREATE DATABASE, CREATE TABLE and partitions are DDL statements"
SETUP = Role(
    "setup",
    "setup; athena, which creates the workgroup and the tables, together with the role query",
    (
        _LIST,
        PolicyGrant("s3:CreateBucket", ResourceScope.BUCKET, "create the bucket"),
        PolicyGrant("s3:GetBucketTagging", ResourceScope.BUCKET, "recognise the bucket as Shoreline's"),
        PolicyGrant("s3:PutBucketTagging", ResourceScope.BUCKET, "tag the bucket as Shoreline's"),
        PolicyGrant("s3:GetBucketPublicAccessBlock", ResourceScope.BUCKET, "check that public access is blocked"),
        PolicyGrant("s3:PutBucketPublicAccessBlock", ResourceScope.BUCKET, "block public access"),
        PolicyGrant("s3:GetEncryptionConfiguration", ResourceScope.BUCKET, "read the default encryption"),
        PolicyGrant("s3:PutEncryptionConfiguration", ResourceScope.BUCKET, "set the default encryption"),
        PolicyGrant("s3:GetBucketPolicy", ResourceScope.BUCKET, "read the policy, keep the statements of others"),
        PolicyGrant("s3:PutBucketPolicy", ResourceScope.BUCKET, "refuse plain HTTP and other accounts"),
        PolicyGrant("s3:GetLifecycleConfiguration", ResourceScope.BUCKET, "read the rules, keep those of others"),
        PolicyGrant(
            "s3:PutLifecycleConfiguration", ResourceScope.BUCKET, "expire old backups, abort unfinished uploads"
        ),
        *_on(
            ResourceScope.WORKGROUP,
            "create the workgroup, correct its settings",
            "athena:GetWorkGroup",
            "athena:CreateWorkGroup",
            "athena:UpdateWorkGroup",
        ),
        PolicyGrant("athena:ListTagsForResource", ResourceScope.WORKGROUP, "recognise the workgroup as Shoreline's"),
        PolicyGrant(
            "athena:TagResource", ResourceScope.WORKGROUP, "tag the workgroup", "CreateWorkGroup needs it to set tags"
        ),
        *_on(
            ResourceScope.WORKGROUP,
            _DDL,
            "athena:StartQueryExecution",
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
        ),
        *_on(
            ResourceScope.CATALOG,
            "create the database, the tables (again after a change of their definition) and their partitions",
            "glue:GetDatabase",
            "glue:CreateDatabase",
            "glue:GetTable",
            "glue:CreateTable",
            "glue:UpdateTable",
            "glue:DeleteTable",
            "glue:GetPartition",
            "glue:GetPartitions",
            "glue:CreatePartition",
            "glue:BatchCreatePartition",
            unseen=_ATHENA,
        ),
        PolicyGrant("s3:GetBucketLocation", ResourceScope.BUCKET, "find the bucket's region", _ATHENA),
        *_on(ResourceScope.RESULTS, "write the answers of DDL", "s3:GetObject", "s3:PutObject", unseen=_ATHENA),
    ),
)
CLEANUP = Role(
    "cleanup",
    "cleanup",
    (
        _LIST,
        PolicyGrant("s3:ListAllMyBuckets", ResourceScope.ACCOUNT, "verify that no bucket carries the tag any more"),
        PolicyGrant(
            "s3:GetBucketTagging",
            ResourceScope.ACCOUNT,
            "recognise the bucket as Shoreline's; look for the tag on other buckets",
        ),
        PolicyGrant("s3:ListBucketVersions", ResourceScope.BUCKET, "find every version and delete marker"),
        PolicyGrant("s3:ListBucketMultipartUploads", ResourceScope.BUCKET, "find unfinished uploads"),
        PolicyGrant(
            "s3:GetBucketObjectLockConfiguration", ResourceScope.BUCKET, "find versions that cannot be deleted"
        ),
        PolicyGrant("s3:DeleteBucket", ResourceScope.BUCKET, "remove the bucket"),
        *_on(
            ResourceScope.BUCKET,
            "remove Shoreline's settings",
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketTagging",
            unseen=_STAYS,
        ),
        PolicyGrant("s3:GetObject", ResourceScope.BACKUPS, "read the lease that keeps other runs from writing"),
        PolicyGrant("s3:PutObject", ResourceScope.BACKUPS, "take that lease"),
        *(
            PolicyGrant(action, on, why, unseen)
            for on in (ResourceScope.BACKUPS, ResourceScope.LAKE, ResourceScope.RESULTS)
            for action, why, unseen in (
                ("s3:DeleteObjectVersion", "delete every version and delete marker", ""),
                ("s3:AbortMultipartUpload", "abort unfinished uploads", ""),
                ("s3:ListMultipartUploadParts", "count their bytes, and verify that they are gone", ""),
                ("s3:GetObjectVersion", "read the lock of a version", _LOCKED),
                ("s3:GetObjectRetention", "read how long a version is locked", _LOCKED),
                ("s3:GetObjectLegalHold", "read the legal hold of a version", _LOCKED),
            )
        ),
        *_on(
            ResourceScope.CATALOG,
            "find and remove the tables, partitions and the database",
            "glue:GetDatabase",
            "glue:GetTables",
            "glue:GetTable",
            "glue:GetPartitions",
            "glue:BatchDeletePartition",
            "glue:BatchDeleteTable",
            "glue:DeleteDatabase",
        ),
        PolicyGrant("athena:ListWorkGroups", ResourceScope.ACCOUNT, "find the workgroup"),
        *_on(
            ResourceScope.WORKGROUP,
            "recognise the workgroup as Shoreline's, and remove it",
            "athena:ListTagsForResource",
            "athena:ListNamedQueries",
            "athena:ListPreparedStatements",
            "athena:GetWorkGroup",
            "athena:DeleteWorkGroup",
        ),
    ),
)
ROLES = {role.name: role for role in (BACKUP, LAKE, QUERY, SETUP, CLEANUP)}
