"""The bucket itself: what it should be, what it is, and how it becomes so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from services.backups.lifecycle import Rule, drift, merged
from services.errors import BucketNotOurs
from services.s3.client import error_code, translate_errors
from services.s3.objects import Storage

TAG = {"Key": "project", "Value": "shoreline"}
PLAIN_HTTP, OTHER_ACCOUNTS = "RefusePlainHttp", "RefuseOtherAccounts"
_UNSET = {
    "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
}


@dataclass(frozen=True)
class SetupStep:
    """One property of the bucket, and what was done about it: 'made', 'set', 'as it should be' or 'differs'."""

    what: str
    outcome: str


@dataclass(frozen=True)
class SetupReport:
    """What setup found and did. In `drift` is what a check found to be otherwise than it should be."""

    bucket: str
    account_id: str
    steps: tuple[SetupStep, ...]
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Property:
    """One property: how it is read (None when unset), what it should be, how it is written, how a drift is told."""

    what: str
    wanted: Any
    read: Callable[[], Any]
    write: Callable[[], Any]
    told: Callable[[Any], str] = lambda found: "is not set" if found is None else "is not what Shoreline sets"


def policy_statements(bucket: str, account_id: str) -> list[dict[str, Any]]:
    """A bucket policy's statements that refuse plain HTTP, and everyone who is not of the account.

    Services of AWS that act for the account (Athena does so with the caller's own rights) are let through; a
    request without credentials names no account and is refused.
    Source: AWS, global condition keys aws:SecureTransport, aws:PrincipalAccount, aws:PrincipalIsAWSService.
    """
    arn = f"arn:aws:s3:::{bucket}"
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    others = {
        "StringNotEquals": {"aws:PrincipalAccount": account_id},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    return [
        {"Sid": PLAIN_HTTP, **everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": OTHER_ACCOUNTS, **everything, "Condition": others},
    ]


def other_statements(policy: dict[str, Any] | None) -> list[Any]:
    """The statements of a bucket policy that are not Shoreline's."""
    found = (policy or {}).get("Statement", [])
    every = found if isinstance(found, list) else [found]
    return [statement for statement in every if statement.get("Sid") not in {PLAIN_HTTP, OTHER_ACCOUNTS}]


def read_policy(storage: Storage) -> dict[str, Any] | None:
    """The bucket's policy, or None when it has none."""
    found = _read(lambda: json.loads(storage.aws.s3.get_bucket_policy(Bucket=storage.bucket)["Policy"]))
    return None if found is None else dict(found)


def read_tags(storage: Storage) -> list[Any]:
    """Return the bucket's tags; none for a bucket without any."""
    return list(_read(lambda: storage.aws.s3.get_bucket_tagging(Bucket=storage.bucket)["TagSet"]) or [])


def read_rules(storage: Storage) -> list[Rule]:
    """Return the bucket's lifecycle rules; none for a bucket without any."""
    ask = storage.aws.s3.get_bucket_lifecycle_configuration
    return list(_read(lambda: ask(Bucket=storage.bucket).get("Rules")) or [])


class Bucket:
    """The bucket and its properties. `on_aws` says whether it is the real S3, which has HTTPS."""

    def __init__(
        self, storage: Storage, *, region: str, on_aws: bool, rules: Sequence[Rule] = (), kms_key: str | None = None
    ) -> None:
        self._storage = storage
        self._s3 = storage.aws.s3
        self._name = storage.bucket
        self._region = region
        self._on_aws = on_aws
        self._rules = list(rules)
        self._kms_key = kms_key

    def setup(self) -> SetupReport:
        """Makes the bucket where it is missing and sets what is not as it should be, then reads it all again.

        Raises BucketNotOurs when it is another account's, or ours but not made for Shoreline.
        """
        made = not self._storage.exists()
        if made:
            self._create()
        else:
            self._refuse_foreign()
        steps = [SetupStep("bucket", "made" if made else "as it should be")]
        with translate_errors():
            steps += [self._settle(each) for each in self._properties()]
        return SetupReport(self._name, self._storage.aws.account_id, tuple(steps))

    def check(self) -> SetupReport:
        """Looks at every property and changes none. Raises BucketMissing, or BucketNotOurs."""
        self._storage.require()
        self._refuse_foreign()
        with translate_errors():
            found = [(each, each.read()) for each in self._properties()]
            told = [f"{each.what}: {each.told(value)}" for each, value in found if value != each.wanted]
        steps = [
            SetupStep(each.what, "as it should be" if value == each.wanted else "differs") for each, value in found
        ]
        return SetupReport(self._name, self._storage.aws.account_id, tuple(steps), tuple(told))

    def _create(self) -> None:
        options: Any = {}
        if self._region != "us-east-1":  # which S3 refuses to have named
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        with translate_errors():
            try:
                self._s3.create_bucket(Bucket=self._name, **options)
            except ClientError as error:
                if error_code(error) == "BucketAlreadyExists":
                    raise BucketNotOurs(f"The bucket {self._name} belongs to another account.") from error
                raise
            self._s3.get_waiter("bucket_exists").wait(Bucket=self._name)

    def _refuse_foreign(self) -> None:
        """An existing bucket must carry our tag, or be empty and untagged: it is never taken over."""
        tags = self._read_tags()
        if TAG in tags:
            return
        if not tags and next(self._storage.objects(""), None) is None:
            return
        raise BucketNotOurs(
            f"The bucket {self._name} holds things that are not Shoreline's: it has no tag project=shoreline.",
            next_step="Choose another name for BUCKET, or tag this one with project=shoreline yourself.",
        )

    def _settle(self, each: _Property) -> SetupStep:
        if each.read() == each.wanted:
            return SetupStep(each.what, "as it should be")
        each.write()
        if each.read() != each.wanted:
            raise BucketNotOurs(
                f"The bucket {self._name} does not keep its {each.what}.",
                next_step="Does another program, or an account-wide rule, manage this bucket?",
            )
        return SetupStep(each.what, "set")

    def _properties(self) -> list[_Property]:
        s3, name = self._s3, self._name
        blocked = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        default = {"SSEAlgorithm": "AES256"}
        if self._kms_key:
            default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self._kms_key}
        encryption: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
        properties = [
            _Property("tag", True, lambda: TAG in self._read_tags(), self._write_tag),
            _Property(
                "public access",
                blocked,
                lambda: _read(lambda: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]),
                lambda: s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=blocked),  # type: ignore[arg-type]
            ),
            _Property(
                "encryption",
                default,
                self._read_encryption,
                lambda: s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption),
            ),
        ]
        if self._rules:
            properties.append(
                _Property(
                    "lifecycle",
                    [],
                    lambda: drift(self._read_rules(), self._rules),
                    self._write_rules,
                    told=", ".join,
                )
            )
        if self._on_aws:
            statements = policy_statements(name, self._storage.aws.account_id)
            properties.append(
                _Property(
                    "policy",
                    True,
                    lambda: _holds(read_policy(self._storage), statements),
                    lambda: self._write_policy(statements),
                )
            )
        return properties

    def _read_tags(self) -> list[Any]:
        with translate_errors():
            return read_tags(self._storage)

    def _write_tag(self) -> None:
        others = [tag for tag in self._read_tags() if tag["Key"] != TAG["Key"]]
        self._s3.put_bucket_tagging(Bucket=self._name, Tagging={"TagSet": [*others, TAG]})  # type: ignore[list-item]

    def _write_policy(self, statements: list[dict[str, Any]]) -> None:
        """Puts our statements beside those of others."""
        others = other_statements(read_policy(self._storage))
        policy = {"Version": "2012-10-17", "Statement": [*others, *statements]}
        self._s3.put_bucket_policy(Bucket=self._name, Policy=json.dumps(policy))

    def _read_encryption(self) -> Any:
        rules = _read(
            lambda: self._s3.get_bucket_encryption(Bucket=self._name)["ServerSideEncryptionConfiguration"].get("Rules")
        )
        return rules[0]["ApplyServerSideEncryptionByDefault"] if rules else None

    def _read_rules(self) -> list[Rule]:
        return read_rules(self._storage)

    def _write_rules(self) -> None:
        rules: Any = {"Rules": merged(self._read_rules(), self._rules)}
        self._s3.put_bucket_lifecycle_configuration(Bucket=self._name, LifecycleConfiguration=rules)


def _holds(policy: dict[str, Any] | None, statements: list[dict[str, Any]]) -> bool:
    found = (policy or {}).get("Statement", [])
    return isinstance(found, list) and all(statement in found for statement in statements)


def _read(ask: Callable[[], Any]) -> Any:
    """The answer, or None where the property is unset."""
    try:
        return ask()
    except ClientError as error:
        if error_code(error) in _UNSET:
            return None
        raise
