"""Runs jobs on the embedded PostgreSQL and LocalStack, which are started if needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.errors import StackError

if TYPE_CHECKING:
    from services.local.stack import Stack
    from services.settings import Settings

BUCKET = "shoreline-local"  # if BUCKET is not set
_QUERY_JOBS = {"athena", "query", "tables"}


def embedded_settings(job: str) -> Settings:
    """Start PostgreSQL and LocalStack with the bucket, and return the settings to reach them."""
    from loguru import logger

    from services.settings import load, named

    if job in _QUERY_JOBS and named("QUERY_ENGINE") == "athena":
        logger.warning("ignoring QUERY_ENGINE=athena: the embedded stack runs queries with DuckDB")
    started = embedded_stack().up()
    settings = load(started.settings, defaults={"BUCKET": BUCKET})
    if started.empty:
        _create_bucket(settings)
    return settings


def embedded_stack() -> Stack:
    """Return the servers of this checkout. Raises StackError if they are not installed, as in a wheel or the image."""
    try:
        from services.local.stack import Stack
    except ImportError as error:
        raise StackError(
            "The embedded stack is not installed.",
            next_step="Run `make up` in a checkout of Shoreline, which installs it.",
        ) from error
    return Stack()


def _create_bucket(settings: Settings) -> None:
    """Create the bucket: LocalStack starts empty."""
    from services.s3.bucket import Bucket
    from services.s3.client import Aws, AwsAccess
    from services.s3.objects import Storage

    aws = Aws(AwsAccess(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url))
    Bucket(Storage(aws, settings.bucket), region=settings.aws_region, on_aws=False).setup()
