"""What each role may do and why: the least that its jobs need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class On(StrEnum):
    """What a grant is for."""

    ACCOUNT = "every resource"
    BUCKET = "the bucket"
    BACKUPS = "keys below BACKUP_PREFIX"
    LAKE = "keys below LAKE_PREFIX"
    RESULTS = "keys below ATHENA_RESULTS_PREFIX"
    KMS = "the bucket's KMS key"
    WORKGROUP = "the workgroup"
    CATALOG = "the database and its tables"


@dataclass(frozen=True)
class Grant:
    """One action. `unseen` says why the meter does not see it used by a plain run, where it does not."""

    action: str
    on: On
    why: str
    unseen: str = ""


@dataclass(frozen=True)
class Role:
    """What the jobs of one kind may do together."""

    name: str
    jobs: str
    grants: tuple[Grant, ...]

    @property
    def actions(self) -> frozenset[str]:
        """All its actions."""
        return frozenset(grant.action for grant in self.grants)


_ATHENA = "Athena does it, with the caller's rights"
_KMS = "S3 does it, with the caller's rights, where BUCKET_KMS_KEY_ID is set"
_FAILING = "only when an upload fails"
_LOCKED = "only where Object Lock is on"
_STAYS = "only where the bucket stays for the sake of other things"
_LIST = Grant("s3:ListBucket", On.BUCKET, "look whether the bucket is there and whose it is; list keys")


def _on(on: On, why: str, *actions: str, unseen: str = "") -> Iterable[Grant]:
    return (Grant(action, on, why, unseen) for action in actions)


BACKUP = Role(
    "backup",
    "backup, backups, prune, restore, drill, status",
    (
        _LIST,
        Grant("s3:ListBucketMultipartUploads", On.BUCKET, "find the uploads that killed runs left"),
        Grant("s3:GetObject", On.BACKUPS, "read manifests, the lease, and the dumps that are restored"),
        Grant("s3:PutObject", On.BACKUPS, "write dumps, manifests, drill records and the lease"),
        Grant("s3:DeleteObject", On.BACKUPS, "retention, and what failed runs left"),
        Grant("s3:AbortMultipartUpload", On.BACKUPS, "end the uploads that killed runs left"),
        *_on(On.KMS, "encrypt and read objects", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
LAKE = Role(
    "lake",
    "generate, export, upload, compact, tables",
    (
        _LIST,
        Grant("s3:GetObject", On.LAKE, "compare checksums, read the lake's manifests, and the files that are merged"),
        Grant("s3:PutObject", On.LAKE, "write files and manifests"),
        Grant(
            "s3:DeleteObject", On.LAKE, "remove strays of the partitions that were written, and files that were merged"
        ),
        Grant("s3:AbortMultipartUpload", On.LAKE, "end a failed upload of a large file", _FAILING),
        *_on(On.KMS, "encrypt and read objects", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
QUERY = Role(
    "query",
    "query; athena, together with the role setup",
    (
        *_on(
            On.WORKGROUP,
            "run queries, follow them, stop them, fetch their results",
            "athena:StartQueryExecution",
            "athena:GetQueryExecution",
            "athena:GetQueryResults",
        ),
        Grant("athena:StopQueryExecution", On.WORKGROUP, "cancel a query on Ctrl-C", "only when a query is cancelled"),
        _LIST,
        Grant("s3:GetObject", On.LAKE, "read the files' footers for the prediction; Athena reads the rows"),
        *_on(
            On.CATALOG,
            "find tables and partitions",
            "glue:GetDatabase",
            "glue:GetTable",
            "glue:GetPartition",
            "glue:GetPartitions",
            unseen=_ATHENA,
        ),
        Grant("s3:GetBucketLocation", On.BUCKET, "find the bucket's region", _ATHENA),
        Grant("s3:ListBucketMultipartUploads", On.BUCKET, "write results", _ATHENA),
        *_on(
            On.RESULTS,
            "write and read results",
            "s3:GetObject",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            unseen=_ATHENA,
        ),
        *_on(On.KMS, "read rows, encrypt results", "kms:GenerateDataKey", "kms:Decrypt", unseen=_KMS),
    ),
)
_DDL = "CREATE DATABASE, CREATE TABLE and partitions are DDL statements"
SETUP = Role(
    "setup",
    "setup; athena, which makes the workgroup and the tables, together with the role query",
    (
        _LIST,
        Grant("s3:CreateBucket", On.BUCKET, "make the bucket"),
        Grant("s3:GetBucketTagging", On.BUCKET, "recognise the bucket as Shoreline's"),
        Grant("s3:PutBucketTagging", On.BUCKET, "mark the bucket as Shoreline's"),
        Grant("s3:GetBucketPublicAccessBlock", On.BUCKET, "look whether public access is blocked"),
        Grant("s3:PutBucketPublicAccessBlock", On.BUCKET, "block public access"),
        Grant("s3:GetEncryptionConfiguration", On.BUCKET, "look at the default encryption"),
        Grant("s3:PutEncryptionConfiguration", On.BUCKET, "set the default encryption"),
        Grant("s3:GetBucketPolicy", On.BUCKET, "look at the policy, keep the statements of others"),
        Grant("s3:PutBucketPolicy", On.BUCKET, "refuse plain HTTP and other accounts"),
        Grant("s3:GetLifecycleConfiguration", On.BUCKET, "look at the rules, keep those of others"),
        Grant("s3:PutLifecycleConfiguration", On.BUCKET, "expire old backups, abort unfinished uploads"),
        *_on(
            On.WORKGROUP,
            "make the workgroup, keep it as it should be",
            "athena:GetWorkGroup",
            "athena:CreateWorkGroup",
            "athena:UpdateWorkGroup",
        ),
        Grant("athena:ListTagsForResource", On.WORKGROUP, "know the workgroup for Shoreline's"),
        Grant("athena:TagResource", On.WORKGROUP, "tag the workgroup", "CreateWorkGroup needs it to set tags"),
        *_on(On.WORKGROUP, _DDL, "athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"),
        *_on(
            On.CATALOG,
            "make the database, the tables (a table of an older definition anew) and their partitions",
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
        Grant("s3:GetBucketLocation", On.BUCKET, "find the bucket's region", _ATHENA),
        *_on(On.RESULTS, "write the answers of DDL", "s3:GetObject", "s3:PutObject", unseen=_ATHENA),
    ),
)
CLEANUP = Role(
    "cleanup",
    "cleanup",
    (
        _LIST,
        Grant("s3:ListAllMyBuckets", On.ACCOUNT, "prove that no bucket carries the tag any more"),
        Grant(
            "s3:GetBucketTagging", On.ACCOUNT, "recognise the bucket as Shoreline's; look for the tag on other buckets"
        ),
        Grant("s3:ListBucketVersions", On.BUCKET, "find every version and delete marker"),
        Grant("s3:ListBucketMultipartUploads", On.BUCKET, "find unfinished uploads"),
        Grant("s3:GetBucketObjectLockConfiguration", On.BUCKET, "tell what cannot be deleted"),
        Grant("s3:DeleteBucket", On.BUCKET, "remove the bucket"),
        *_on(
            On.BUCKET,
            "take Shoreline's settings off",
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketTagging",
            unseen=_STAYS,
        ),
        Grant("s3:GetObject", On.BACKUPS, "read the lease that keeps other runs from writing"),
        Grant("s3:PutObject", On.BACKUPS, "take that lease"),
        *(
            Grant(action, on, why, unseen)
            for on in (On.BACKUPS, On.LAKE, On.RESULTS)
            for action, why, unseen in (
                ("s3:DeleteObjectVersion", "delete every version and delete marker", ""),
                ("s3:AbortMultipartUpload", "abort unfinished uploads", ""),
                ("s3:ListMultipartUploadParts", "count their bytes, and see that they are gone", ""),
                ("s3:GetObjectVersion", "ask a version for its lock", _LOCKED),
                ("s3:GetObjectRetention", "ask a version until when it is locked", _LOCKED),
                ("s3:GetObjectLegalHold", "ask a version for its legal hold", _LOCKED),
            )
        ),
        *_on(
            On.CATALOG,
            "find and remove the tables, partitions and the database",
            "glue:GetDatabase",
            "glue:GetTables",
            "glue:GetTable",
            "glue:GetPartitions",
            "glue:BatchDeletePartition",
            "glue:BatchDeleteTable",
            "glue:DeleteDatabase",
        ),
        Grant("athena:ListWorkGroups", On.ACCOUNT, "find the workgroup"),
        *_on(
            On.WORKGROUP,
            "know the workgroup for Shoreline's, and remove it",
            "athena:ListTagsForResource",
            "athena:ListNamedQueries",
            "athena:ListPreparedStatements",
            "athena:GetWorkGroup",
            "athena:DeleteWorkGroup",
        ),
    ),
)
ROLES = {role.name: role for role in (BACKUP, LAKE, QUERY, SETUP, CLEANUP)}
