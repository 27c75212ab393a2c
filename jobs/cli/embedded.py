"""The settings of a run on the embedded stack, which is started where it does not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.errors import StackError

if TYPE_CHECKING:
    from services.local.stack import Stack
    from services.settings import Settings

BUCKET = "shoreline-local"  # where no setting names another
_ASK = {"athena", "query", "tables"}


def embedded_settings(job: str) -> Settings:
    """Starts PostgreSQL and LocalStack, with the bucket, and gives the settings that lead to them.

    Warns where `job` asks queries and another engine was to answer them.
    """
    from loguru import logger

    from services.settings import load, named

    if job in _ASK and named("QUERY_ENGINE") == "athena":
        logger.warning("QUERY_ENGINE=athena is not heeded: the embedded stack has no Athena, DuckDB answers")
    started = embedded_stack().up(logger.info)
    settings = load(started.settings, defaults={"BUCKET": BUCKET})
    if started.empty:
        _make_bucket(settings)
    return settings


def embedded_stack() -> Stack:
    """The servers of this checkout. Raises StackError where it is not installed: a wheel and the image have none."""
    try:
        from services.local.stack import Stack
    except ImportError as error:
        raise StackError(
            "The embedded stack is not installed.",
            next_step="Run `make up` in a checkout of Shoreline, which installs it.",
        ) from error
    return Stack()


def _make_bucket(settings: Settings) -> None:
    """LocalStack begins empty; the one of docker-compose.yml makes its bucket by a script, too."""
    from services.s3.bucket import Bucket
    from services.s3.client import Aws, AwsAccess
    from services.s3.objects import Storage

    aws = Aws(AwsAccess(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url))
    Bucket(Storage(aws, settings.bucket), region=settings.aws_region, on_aws=False).setup()
