"""Which IAM action each operation of AWS needs: operations are what programs call, actions what policies allow.

Source: AWS Service Authorization Reference, Amazon S3, Amazon Athena and AWS Glue; Amazon S3 API reference, the
"Permissions" of each operation.
"""

from __future__ import annotations

_S3 = {
    "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "CompleteMultipartUpload": ("s3:PutObject",),
    "CopyObject": ("s3:PutObject",),
    "CreateBucket": ("s3:CreateBucket",),
    "CreateMultipartUpload": ("s3:PutObject",),
    "DeleteBucket": ("s3:DeleteBucket",),
    "DeleteBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "DeleteBucketPolicy": ("s3:DeleteBucketPolicy",),
    "DeleteBucketTagging": ("s3:PutBucketTagging",),
    "DeleteObject": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "GetBucketLocation": ("s3:GetBucketLocation",),
    "GetBucketPolicy": ("s3:GetBucketPolicy",),
    "GetBucketTagging": ("s3:GetBucketTagging",),
    "GetObject": ("s3:GetObject",),
    "GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "HeadBucket": ("s3:ListBucket",),
    "HeadObject": ("s3:GetObject",),
    "ListBuckets": ("s3:ListAllMyBuckets",),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "ListObjectVersions": ("s3:ListBucketVersions",),
    "ListObjectsV2": ("s3:ListBucket",),
    "ListParts": ("s3:ListMultipartUploadParts",),
    "PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "PutBucketPolicy": ("s3:PutBucketPolicy",),
    "PutBucketTagging": ("s3:PutBucketTagging",),
    "PutObject": ("s3:PutObject",),
    "PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "UploadPart": ("s3:PutObject",),
}
_SAME_NAME = {"athena", "glue"}  # services whose actions are called like their operations


def actions_of(service: str, operation: str) -> tuple[str, ...]:
    """The actions that allow an operation; where there are several, its parameters decide which it needs.

    DeleteObjects needs DeleteObjectVersion for keys with a version. GetCallerIdentity needs none. Raises LookupError
    for an operation that nobody has looked up yet.
    """
    if service == "sts" and operation == "GetCallerIdentity":
        return ()
    if service in _SAME_NAME:
        return (f"{service}:{operation}",)
    if service == "s3" and operation in _S3:
        return _S3[operation]
    raise LookupError(f"no IAM action is known for {service}:{operation}: add it here")
