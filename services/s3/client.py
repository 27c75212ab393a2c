"""Every boto3 client of the program: endpoint, credentials, owner check, retries and meter in one place."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions as aws
from botocore.config import Config
from botocore.handlers import add_expect_header, set_list_objects_encoding_type_url
from botocore.parsers import ResponseParserError
from botocore.utils import determine_content_length, parse_timestamp

from services import __version__
from services.errors import (
    BucketMissing,
    CredentialsRefused,
    SettingsError,
    ShorelineError,
    StorageError,
    StorageUnreachable,
)
from services.s3.responses import AccessDenied, ObjectDamaged

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient


_ASK_FIRST = 2 * 1024 * 1024  # bytes of a body; source: the threshold of AWS's SDKs for Go and Java


def adapt(client: S3Client, *, plain_listings: bool) -> None:
    """Changes how the client asks; for a store that lists percent-encoded keys wrongly, plain listings too."""
    events: Any = client.meta.events
    events.unregister("before-call.s3", add_expect_header)
    events.register("before-call.s3", _ask_before_large_bodies)
    _hash_bodies_once(client)
    if plain_listings:
        _list_in_plain_text(client)


def _ask_before_large_bodies(model: OperationModel, params: dict[str, Any], **_: Any) -> None:
    """Waits for S3's leave only before a body that is dear to send in vain.

    botocore waits before every body: a round trip more for each small file.
    """
    body = params.get("body")
    if hasattr(body, "read"):
        length = determine_content_length(body)
        if length is None or length >= _ASK_FIRST:
            add_expect_header(model, params)


def _hash_bodies_once(client: S3Client) -> None:
    """Signs the SHA-256 that goes with a body, to which S3 holds the body, and does not hash that again to sign it.

    A store that knows no such checksums has the body's signature only, and keeps it.
    """
    unsigned: Any = copy(client.meta.config)
    unsigned.s3 = {**(unsigned.s3 or {}), "payload_signing_enabled": False}

    def trust_checksum(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "ChecksumSHA256" in params:
            context["client_config"] = unsigned

    if unsigned.request_checksum_calculation == "when_supported":
        client.meta.events.register("before-parameter-build.s3", trust_checksum)


def _list_in_plain_text(client: S3Client) -> None:
    """Lists keys as they are, not percent-encoded.

    LocalStack compares encoded keys with decoded markers: from the second page on it leaves out keys that hold a '=',
    as all of a Hive layout do.
    """
    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        client.meta.events.unregister(f"before-parameter-build.s3.{operation}", set_list_objects_encoding_type_url)


_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_FULL = {"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}
_STS_ATTEMPTS = 3  # a store without STS may answer 503 each time
_NOT_S3 = "Check that AWS_ENDPOINT_URL is the address of an S3 store's API, not of a console, a proxy or a web server."
_NEEDED = {  # fields of answers without which a job cannot go on
    "CompleteMultipartUpload": ("ETag",),
    "CreateMultipartUpload": ("UploadId",),
    "GetBucketTagging": ("TagSet",),
    "GetCallerIdentity": ("Account",),
    "GetObject": ("ETag", "LastModified"),
    "HeadObject": ("ContentLength", "ETag", "LastModified"),
    "ListObjectsV2": ("IsTruncated",),
    "PutObject": ("ETag",),
    "UploadPart": ("ETag",),
}
_WRONG_TIME = ("Signature expired", "Signature not yet current")  # what STS says then, under SignatureDoesNotMatch
_AWS_KEY = re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}")  # source: AWS IAM, "Unique identifiers" (prefixes of access keys)


@dataclass(frozen=True)
class AwsAccess:
    """Where AWS is and who asks. An endpoint of one's own sees neither the credential chain nor a key that AWS gave.

    `bucket_owner` is the account that buckets must belong to; by default the caller's.
    """

    region: str
    profile: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    bucket_owner: str | None = None
    request_checksums: str = "when_supported"
    run_id: str = ""
    attempts: int = 7
    answer_seconds: float = 60  # without a byte from AWS, until a request counts as failed

    @property
    def foreign(self) -> bool:
        """Whether the endpoint is somebody else's than AWS's."""
        host = urlsplit(self.endpoint_url or "").hostname
        return host is not None and not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


@dataclass(frozen=True)
class Identity:
    """Whose credentials these are; `account_id` and `arn` are words where the store does not say."""

    account_id: str
    arn: str
    owner: str | None  # the account that buckets must belong to; None where no account is known


class Aws:
    """The clients of one account.

    `on_client` is called with each new client: the meter hooks itself in there.
    """

    def __init__(self, access: AwsAccess, on_client: Callable[[Any], None] = lambda _: None) -> None:
        self.access = access
        self._on_client = on_client

    def again(self, on_client: Callable[[Any], None]) -> Aws:
        """The same account through new clients, on connections of their own; `on_client` sees each of them too."""

        def hook(client: Any) -> None:
            self._on_client(client)
            on_client(client)

        other = Aws(self.access, hook)
        if self.access.foreign and "identity" in self.__dict__:
            other.__dict__["identity"] = self.identity  # an unknown account is reported once
        return other

    @cached_property
    def _session(self) -> boto3.Session:
        access = self.access
        key, secret, token = access.access_key_id, access.secret_access_key, access.session_token
        if access.foreign and (not key or _AWS_KEY.fullmatch(key)):
            key = secret = "test"  # noqa: S105  # what LocalStack takes; real credentials stay out of other hands
            token = None
        # By itself botocore reads AWS_PROFILE, also where it is empty or of no use for the endpoint, and the other
        # variables and profile lines that name an endpoint, which would be shown real credentials: settings decide.
        session = botocore.session.Session({"profile": (None, None, None, None)})
        session.set_default_client_config(Config(ignore_configured_endpoint_urls=True))  # type: ignore[call-arg]
        # A listing is mostly times: botocore's own reader of them takes two thirds of its parsing.
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_time)
        with translate_errors():
            return boto3.Session(
                profile_name=None if key else access.profile,
                region_name=access.region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
                botocore_session=session,
            )

    def client(self, service: str) -> Any:
        """A client of any other service: for looks into the account, never for the work."""
        return self._client(service)

    def _client(self, service: Any, region: str | None = None, attempts: int | None = None) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts or self.access.attempts},
            connect_timeout=5,
            read_timeout=self.access.answer_seconds,
            max_pool_connections=64,
            user_agent=self._user_agent,
            request_checksum_calculation=self.access.request_checksums,  # type: ignore[arg-type]
            s3={"addressing_style": "path"} if self.access.endpoint_url else None,
        )
        endpoint = self.access.endpoint_url
        client = self._session.client(service, region_name=region, config=config, endpoint_url=endpoint)
        client.meta.events.register("after-call", _require_fields)
        self._on_client(client)
        return client

    @property
    def _user_agent(self) -> str:
        """Said whole: botocore composes its own anew, twice for every request."""
        run = f" run/{self.access.run_id}" if self.access.run_id else ""
        return f"shoreline/{__version__}{run} Boto3/{boto3.__version__}"

    @cached_property
    def s3(self) -> S3Client:
        """S3, every request of which names the account that must own the bucket, where the operation allows."""
        client: S3Client = self._client("s3")
        client.meta.events.register("provide-client-params.s3", self._name_owner)  # type: ignore[arg-type]
        adapt(client, plain_listings=self.access.endpoint_url is not None)
        return client

    @cached_property
    def pricing(self) -> Any:
        """AWS's price list of every region, which is served from a few of them only."""
        return self._client("pricing", region="us-east-1")

    @cached_property
    def athena(self) -> AthenaClient:
        """Athena."""
        client: AthenaClient = self._client(
            "athena", attempts=2
        )  # its queue needs more patience: services.queries.athena
        return client

    @cached_property
    def glue(self) -> GlueClient:
        """The Glue Data Catalog."""
        client: GlueClient = self._client("glue")
        return client

    @cached_property
    def sts(self) -> STSClient:
        """STS, which names the caller."""
        client: STSClient = self._client(
            "sts", attempts=min(_STS_ATTEMPTS, self.access.attempts) if self.access.foreign else None
        )
        return client

    @cached_property
    def identity(self) -> Identity:
        """Who STS says that the caller is. Another store than AWS may have no STS: then what the settings say."""
        try:
            with translate_errors():
                caller = self.sts.get_caller_identity()
        except ShorelineError as error:
            if not self.access.foreign or isinstance(error.__cause__, aws.ConnectionError | aws.HTTPClientError):
                raise
            return self._identity_without_sts(error)
        return Identity(caller["Account"], caller["Arn"], self.access.bucket_owner or caller["Account"])

    def _identity_without_sts(self, error: ShorelineError) -> Identity:
        from loguru import logger

        endpoint, owner = self.access.endpoint_url, self.access.bucket_owner
        account_id = owner or f"unknown account at {endpoint}"
        source = "AWS_EXPECTED_ACCOUNT_ID is taken for it" if owner else "bucket owners are not checked"
        logger.info("{} does not say whose account this is; {} ({})", endpoint, source, error)
        return Identity(account_id, f"unknown caller at {endpoint}", owner)

    @property
    def account_id(self) -> str:
        """The twelve digits of the account that these credentials belong to, or words where nobody says."""
        return self.identity.account_id

    def _name_owner(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        if "ExpectedBucketOwner" in model.input_shape.members:
            owner = self.access.bucket_owner or self.identity.owner
            if owner is not None:
                params.setdefault("ExpectedBucketOwner", owner)
        return params


def _require_fields(parsed: dict[str, Any], model: Any, http_response: Any, **_: Any) -> None:
    """Raises StorageError for an answer that says success and lacks what such an answer holds, as a web page does."""
    lacking = [name for name in _NEEDED.get(model.name, ()) if name not in parsed]
    if lacking and http_response.status_code < 300:
        raise StorageError(
            f"The store answered {model.name} with {http_response.status_code} and without {' and '.join(lacking)}.",
            next_step=_NOT_S3,
        )


def _parse_time(value: Any) -> datetime:
    """A time as AWS writes it: '2025-01-10T14:30:22.000Z' in listings, other forms elsewhere."""
    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        return datetime.fromisoformat(value)
    found: datetime = parse_timestamp(value)
    return found


def error_code(error: aws.ClientError) -> str:
    """AWS's code of a refusal, such as 'NoSuchKey'; the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns botocore's exceptions into Shoreline's, each with its next step."""
    try:
        yield
    except aws.ClientError as error:
        raise _explain(error) from error
    except aws.ProfileNotFound as error:
        raise SettingsError(f"Settings need attention:\n  AWS_PROFILE  {error}") from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.TokenRetrievalError) as error:
        raise CredentialsRefused(f"No AWS credentials: {error}") from error
    except (aws.ConnectionError, aws.HTTPClientError, aws.IncompleteReadError) as error:
        raise StorageUnreachable(f"The AWS endpoint does not answer: {error}") from error
    except aws.FlexibleChecksumError as error:
        raise ObjectDamaged(f"An object does not have the checksum that it was stored with: {error}") from error
    except aws.BotoCoreError as error:
        raise StorageError(f"AWS refused the request before sending it: {error}") from error
    except Exception as error:
        if not isinstance(error, ResponseParserError) and not _raised_by_a_parser(error):
            raise
        raise StorageError(f"The store's answer cannot be read: {error}", next_step=_NOT_S3) from error


def _raised_by_a_parser(error: Exception) -> bool:
    """Whether botocore failed on an answer, as with a KeyError where XML is not that of the operation."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and "botocore/parsers.py" in frames[-1][0].f_code.co_filename


def _explain(error: aws.ClientError) -> ShorelineError:
    code, operation = error_code(error), error.operation_name
    message = error.response.get("Error", {}).get("Message") or ""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    told = _told(message, code, status)
    if code == "RequestTimeTooSkewed" or message.startswith(_WRONG_TIME):
        return CredentialsRefused(
            f"AWS refused {operation}, as this machine's clock is wrong: {told}",
            next_step="Set the clock, best by NTP: AWS takes requests only within minutes of its own time.",
        )
    if code in _REFUSED:
        return CredentialsRefused(f"AWS refused the credentials at {operation}: {told}")
    if code == "NoSuchBucket":
        name = error.response.get("Error", {}).get("BucketName", "")
        return BucketMissing(f"The bucket {f'{name} ' if name else ''}is not there ({operation}: {message or code})")
    if code in {"AccessDenied", "403", "AccessDeniedException"}:
        return AccessDenied(
            f"AWS refused {operation}: {message or 'access denied'}",
            next_step=f"Allow it for this role ({operation}), or check that the bucket belongs to this account.",
        )
    if status == 507 or code in _FULL:
        return StorageError(
            f"The store has no room: it refused {operation}: {told}",
            next_step="Make room in the store, or raise its quota.",
        )
    if status == 501 or code == "NotImplemented":
        return StorageError(
            f"This endpoint does not offer {operation}: {told}",
            next_step="Use one that does; docs/backups.md names what Shoreline needs of a store."
            " Queries need no Athena with `--engine duckdb`.",
        )
    if status >= 500:
        return StorageUnreachable(f"AWS answered {operation} with {status}: {told}")
    return StorageError(f"AWS refused {operation}: {told}")


def _told(message: str, code: str, status: int) -> str:
    """What the store said of a refusal, as far as it said anything."""
    if not message:
        return code if code and code != str(status) else f"HTTP status {status}, without a reason"
    return f"{message} ({code})" if code else message
