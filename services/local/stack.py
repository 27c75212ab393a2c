"""The embedded stack: PostgreSQL and LocalStack in one folder, started once and reused."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.local.localstack import LocalStack
from services.local.postgres import Cluster

PROJECT = Path(__file__).resolve().parents[2]
HOME = PROJECT / ".local"


@dataclass(frozen=True)
class Started:
    """The running stack."""

    settings: dict[str, str]  # by which jobs reach it
    empty: bool  # whether LocalStack has just started and has no bucket


@dataclass(frozen=True)
class Stack:
    """The embedded PostgreSQL and LocalStack in `folder`; all folders share LocalStack's packages."""

    folder: Path = HOME
    postgres_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        """The PostgreSQL server."""
        return Cluster(self.folder / "postgres", self.postgres_options)

    @property
    def localstack(self) -> LocalStack:
        """The S3 server."""
        return LocalStack(self.folder / "localstack", HOME / "localstack-venv", PROJECT / "localstack")

    def up(self) -> Started:
        """Start the servers that are not running."""
        from loguru import logger

        self.folder.mkdir(parents=True, exist_ok=True)
        HOME.mkdir(exist_ok=True)
        with _alone(HOME / "install.lock"):
            self.localstack.install()
        with _alone(self.folder / "stack.lock"):
            if not self.cluster.running():
                logger.info("starting PostgreSQL")
            postgres = self.cluster.start()
            empty = self.localstack.endpoint() is None
            if empty:
                logger.info("starting LocalStack")
            endpoint = self.localstack.start()
        settings = {
            "PGHOST": postgres.host,
            "PGPORT": str(postgres.port),
            "PGUSER": postgres.user,
            "PGPASSWORD": postgres.password or "",
            "PGSSLMODE": postgres.sslmode,
            "PG_BIN": str(postgres.programs),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "",
            "AWS_EXPECTED_ACCOUNT_ID": "000000000000",
            "QUERY_ENGINE": "duckdb",
        }
        return Started(settings, empty)

    def down(self) -> None:
        """Stop both servers. PostgreSQL keeps its data; LocalStack's objects, which are in memory, are lost."""
        with _alone(self.folder / "stack.lock"):
            self.localstack.stop()
            self.cluster.stop()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file; the system releases it when the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
