"""Types of settings, each of which says what is wrong with a value in a person's words."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from services.operations.events import EventType
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
    """An S3 bucket's name by AWS's own rules. Raises ValueError."""
    if not 3 <= len(value) <= 63 or not _BUCKET.fullmatch(value) or value.endswith("-"):
        raise ValueError(f"{value!r} is no S3 bucket name: use 3 to 63 of a-z, 0-9, '-' and '.'")
    return value


def endpoint(value: str) -> str:
    """The URL of an object store. Raises ValueError, which shows nothing of a password in it."""
    wrong = "is no URL of a store: write http://host:port or https://host"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  # raises for one that is no number, or beyond 65535
    except ValueError:
        raise ValueError(wrong) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are for these")
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", value):
        raise ValueError(f"{value!r} {wrong}")
    return value


def region_name(value: str) -> str:
    """A region's name, AWS's or another store's ('auto'). Raises ValueError."""
    if not _REGION.fullmatch(value):
        raise ValueError(f"{value!r} is no region: write it as us-east-1")
    return value


def account_id(value: str) -> str:
    """An account's number. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError(f"{value!r} is no account: it has twelve digits")
    return value


def key_prefix(value: str) -> str:
    """A key prefix without its closing '/'. Raises ValueError for empty parts, '..' and odd characters."""
    if not _PREFIX.fullmatch(value.rstrip("/")):
        raise ValueError(f"{value!r} is no key prefix: use names of A-Z, a-z, 0-9, '.', '_', '-' joined by '/'")
    return value.rstrip("/")


def catalog_name(value: str) -> str:
    """A database's or table's name in the Glue catalog. Raises ValueError."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no Athena name: use a-z, 0-9 and '_', a letter first")
    return value


def workgroup_name(value: str) -> str:
    """A workgroup's name by Athena's own rule. Raises ValueError."""
    if not _WORKGROUP.fullmatch(value):
        raise ValueError(f"{value!r} is no workgroup's name: use 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return value


def byte_count(value: object) -> object:
    """Bytes from '10MB' (10^6), '64MiB' (2^20) or a plain number. Raises ValueError."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{value!r} is no size: write 10MB, 64MiB or a number of bytes")
    number, unit, binary = found.groups()
    return int(Decimal(number) * (1024 if binary else 1000) ** _POWERS[unit.upper()])


def split_names(value: str) -> list[str]:
    """Names separated by commas; one that has a comma itself stands in double quotes."""
    rows = list(csv.reader([value], skipinitialspace=True))
    return [name.strip() for name in rows[0]] if rows else []


def database_names(value: str) -> str:
    """Names of databases, each once. Raises ValueError."""
    try:
        names = split_names(value)
    except csv.Error:
        raise ValueError(f"{value!r} cannot be read: a name with a line break stands in double quotes") from None
    if not names or not all(names):
        raise ValueError(f"{value!r} names no database between two commas")
    if len(set(names)) < len(names):
        raise ValueError(f"{value!r} names a database twice")
    return value


def age_recipients(value: str) -> str:
    """Public keys of age, separated by commas. Raises ValueError for what cannot be one."""
    words = [word.strip() for word in value.replace("\n", ",").split(",") if word.strip()]
    if not words:
        raise ValueError("names no recipient")
    for word in words:
        if not word.startswith(("age1", "ssh-")):
            raise ValueError(f"'{word[:12]}...' is no age recipient: they begin with age1 or ssh-")
    return value


def existing_file(value: Path) -> Path:
    """A path that names a readable file. Raises ValueError."""
    if not value.is_file():
        raise ValueError(f"'{value}' is no file")
    return value


def root_certificates(value: str) -> str:
    """The file of the certificate authorities that are trusted, or libpq's word for the system's. Raises ValueError."""
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
Days = Annotated[int, Field(ge=1, le=36_500)]  # a hundred years: what is added to a date stays one
Periods = Annotated[int, Field(ge=0, le=10_000)]


def words(value: object) -> object:
    """The words of 'one, two three', separated by commas or spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def addresses(value: str) -> tuple[str, ...]:
    """URLs with spaces or commas between them; a comma within one stands, as in mailto://...?to=a@b.org,c@d.org."""
    return tuple(_BETWEEN_URLS.split(value.strip())) if value.strip() else ()


def moments(value: tuple[str, ...]) -> tuple[str, ...]:
    """When people are told. Raises ValueError for a word that is no such moment."""
    if odd := [word for word in value if word not in set(EventType)]:
        raise ValueError(f"'{odd[0]}' is none of {', '.join(EventType)}")
    return value


def cron_expression(value: str) -> str:
    """A cron expression, or 'off'. Raises ValueError."""
    if value != "off":
        cron_fields(value)
    return value


def time_zone(value: str) -> str:
    """The name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"'{value}' is no time zone: use a name such as UTC or Europe/Berlin") from error
    return value


CronExpression = Annotated[str, AfterValidator(cron_expression)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
