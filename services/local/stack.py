"""The embedded stack: PostgreSQL and LocalStack in one folder, started once, reused, ended."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.local.localstack import LocalStack
from services.local.postgres import Cluster

PROJECT = Path(__file__).resolve().parents[2]
HOME = PROJECT / ".local"


@dataclass(frozen=True)
class Started:
    """The settings by which the jobs find the stack, and whether its S3 was only now started and has no bucket."""

    settings: dict[str, str]
    empty: bool


@dataclass(frozen=True)
class Stack:
    """The embedded PostgreSQL and LocalStack under `folder`; LocalStack's packages are shared by all folders."""

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

    def up(self, say: Callable[[str], None] = lambda _: None) -> Started:
        """Starts what does not run yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        HOME.mkdir(exist_ok=True)
        with _alone(HOME / "install.lock"):
            self.localstack.install(lambda: say("installing LocalStack, once"))
        with _alone(self.folder / "stack.lock"):
            if not self.cluster.running():
                say("starting PostgreSQL")
            postgres = self.cluster.start()
            empty = self.localstack.endpoint() is None
            if empty:
                say("starting LocalStack")
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
        """Ends both servers. PostgreSQL's data stay; LocalStack's objects are gone, as they are in memory."""
        with _alone(self.folder / "stack.lock"):
            self.localstack.stop()
            self.cluster.stop()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: the system frees the lock of one that dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
