"""The types of settings, whose errors name the invalid value and what was expected."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from services.operations.schedule import cron_fields

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)
_BETWEEN_URLS = re.compile(r",?\s+|,(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def bucket_name(value: str) -> str:
    """Validate a bucket name by Amazon S3's rules. Raises ValueError."""
    if not 3 <= len(value) <= 63 or not _BUCKET.fullmatch(value) or value.endswith("-"):
        raise ValueError(f"invalid bucket name {value!r}: expected 3 to 63 characters of a-z, 0-9, '-' and '.'")
    return value


def endpoint(value: str) -> str:
    """Validate the URL of an object store. Raises ValueError, which never shows a password in it."""
    expected = "expected http://host:port or https://host"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # raises for an invalid port
    except ValueError:
        raise ValueError(f"invalid URL: {expected}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user or a password: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", value):
        raise ValueError(f"invalid URL {value!r}: {expected}")
    return value


def region_name(value: str) -> str:
    """Validate a region's name, of AWS or of another store ('auto'). Raises ValueError."""
    if not _REGION.fullmatch(value):
        raise ValueError(f"invalid region {value!r}: expected a name such as us-east-1")
    return value


def account_id(value: str) -> str:
    """Validate an AWS account ID. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError(f"invalid account ID {value!r}: expected twelve digits")
    return value


def key_prefix(value: str) -> str:
    """Return a key prefix without its trailing '/'. Raises ValueError for empty parts, '..' and other characters."""
    if not _PREFIX.fullmatch(value.rstrip("/")):
        raise ValueError(
            f"invalid key prefix {value!r}: expected names of A-Z, a-z, 0-9, '.', '_' and '-', joined by '/'"
        )
    return value.rstrip("/")


def catalog_name(value: str) -> str:
    """Validate the name of a database or table in the Glue Data Catalog. Raises ValueError."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"invalid Athena name {value!r}: expected a-z, 0-9 and '_', starting with a letter")
    return value


def workgroup_name(value: str) -> str:
    """Validate a workgroup name by Athena's rule. Raises ValueError."""
    if not _WORKGROUP.fullmatch(value):
        raise ValueError(
            f"invalid workgroup name {value!r}: expected 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
        )
    return value


def byte_count(value: object) -> object:
    """Return the bytes of '10MB' (10^6), '64MiB' (2^20) or a plain number. Raises ValueError."""
    if not isinstance(value, str):
        return value
    size = _SIZE.fullmatch(value.strip())
    if not size:
        raise ValueError(f"invalid size {value!r}: expected 10MB, 64MiB or a number of bytes")
    number, unit, binary = size.groups()
    return int(Decimal(number) * (1024 if binary else 1000) ** _POWERS[unit.upper()])


def split_names(value: str) -> list[str]:
    """Return the names in a comma-separated list; a name that contains a comma is in double quotes."""
    rows = list(csv.reader([value], skipinitialspace=True))
    return [name.strip() for name in rows[0]] if rows else []


def database_names(value: str) -> str:
    """Validate a list of database names without duplicates. Raises ValueError."""
    try:
        names = split_names(value)
    except csv.Error:
        raise ValueError(f"invalid list {value!r}: put a name that contains a line break in double quotes") from None
    if not names or not all(names):
        raise ValueError(f"invalid list {value!r}: a name is empty")
    if len(set(names)) < len(names):
        raise ValueError(f"invalid list {value!r}: a name is repeated")
    return value


def age_recipients(value: str) -> str:
    """Validate age public keys, separated by commas. Raises ValueError."""
    words = [word.strip() for word in value.replace("\n", ",").split(",") if word.strip()]
    if not words:
        raise ValueError("contains no recipient")
    for word in words:
        if not word.startswith(("age1", "ssh-")):
            raise ValueError(f"invalid age recipient '{word[:12]}...': expected one that starts with age1 or ssh-")
    return value


def existing_file(value: Path) -> Path:
    """Validate the path of an existing file. Raises ValueError."""
    if not value.is_file():
        raise ValueError(f"file '{value}' does not exist")
    return value


def root_certificates(value: str) -> str:
    """Validate a file of CA certificates, or libpq's word 'system'. Raises ValueError."""
    if value != "system":
        existing_file(Path(value))
    return value


BucketName = Annotated[str, AfterValidator(bucket_name)]
Endpoint = Annotated[str, AfterValidator(endpoint)]
RegionName = Annotated[str, AfterValidator(region_name)]
AccountId = Annotated[str, AfterValidator(account_id)]
KeyPrefix = Annotated[str, AfterValidator(key_prefix)]
DatabaseNames = Annotated[str, AfterValidator(database_names)]
Recipients = Annotated[str, AfterValidator(age_recipients)]
WorkgroupName = Annotated[str, AfterValidator(workgroup_name)]
CatalogName = Annotated[str, AfterValidator(catalog_name)]
ByteCount = Annotated[int, BeforeValidator(byte_count), Field(gt=0)]
RootCertificates = Annotated[str, AfterValidator(root_certificates)]
ExistingFile = Annotated[Path, AfterValidator(existing_file)]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]  # a hundred years: dates stay valid
Periods = Annotated[int, Field(ge=0, le=10_000)]


def words(value: object) -> object:
    """Split a list at commas and spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def addresses(value: str) -> tuple[str, ...]:
    """Split a list of URLs at spaces and commas, but not inside a URL, as in mailto://...?to=a@b.org,c@d.org."""
    return tuple(_BETWEEN_URLS.split(value.strip())) if value.strip() else ()


def cron_expression(value: str) -> str:
    """Validate a cron expression, or 'off'. Raises ValueError."""
    if value != "off":
        cron_fields(value)
    return value


def time_zone(value: str) -> str:
    """Validate the name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"invalid time zone '{value}': expected a name such as UTC or Europe/Berlin") from error
    return value


CronExpression = Annotated[str, AfterValidator(cron_expression)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
NotifyEvents = Annotated[
    tuple[Literal["start", "success", "failure", "late", "shrank"], ...], BeforeValidator(words)
]  # the values of services.operations.events.EventType
