"""One embedded PostgreSQL and LocalStack for the whole run; a database and a bucket of its own for each test."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from services.local.postgres import Cluster
from services.local.processes import ProcessIdentity
from services.local.stack import HOME, PROJECT, Stack
from services.postgres.client import Connection, Database
from services.s3.client import Aws, AwsAccess
from services.s3.objects import Storage
from tests import command_line
from tests.archives import Archives
from tests.command_line import Outcome as Outcome
from tests.command_line import Shoreline as Shoreline

_FOLDER = "SHORELINE_TEST_STACK"  # tells the workers of a parallel run where the stack of this run is
# A busy machine is no failure: the examples are judged by what they show, not by how long they take.
hypothesis_settings.register_profile("shoreline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("shoreline")
# A client of a new session lists and reads botocore's descriptions of all services: a tenth of a second each time.
_read = functools.cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda _, path: _read(path)  # type: ignore[assignment, method-assign]
_available = functools.cache(Loader().list_available_services)
Loader.list_available_services = lambda _, type_name: _available(type_name)  # type: ignore[assignment, method-assign]
_connection = Cluster.connection


def _connection_of_tests(cluster: Cluster, database: str = "postgres") -> Connection:
    """A connection with the search_path of the database: tests name tables as users do, without a schema."""
    return replace(_connection(cluster, database), search_path=None)


Cluster.connection = _connection_of_tests  # type: ignore[method-assign,assignment]
_run = ProcessIdentity.run
_folder_at_start = os.environ.get(_FOLDER)  # a job that is forked has an environment of its own


def _run_or_copy(identity: ProcessIdentity, command: Sequence[object], **options: Any) -> CompletedProcess[str]:
    """Run a command. The files of a new server are a copy of the first that was created by the same command.

    So that is initdb's work of most of a second once a run, not for each server that a test or a drill starts.
    """
    folder = os.environ.get(_FOLDER, _folder_at_start)
    words = [str(word) for word in command]
    if folder is None or not words[0].endswith("/initdb"):
        return _run(identity, command, **options)
    files = dict(word.split("=", 1) for word in words if word.startswith(("--pgdata=", "--pwfile=")))
    key = f"{identity.uid} " + " ".join(word for word in words if word.split("=")[0] not in files)
    data, template = files["--pgdata"], Path(folder, "initdb", hashlib.sha256(key.encode()).hexdigest()[:16])
    if template.exists():
        if "--pwfile" in files:
            Path(files["--pwfile"]).write_bytes((template / "password").read_bytes())
        return _run(ProcessIdentity(), ["cp", "-a", f"{template}/data/.", data])
    created = _run(identity, [*words, "--no-sync"], **options)
    if created.returncode == 0:
        new = template.with_suffix(f".{os.getpid()}")
        new.mkdir(parents=True)
        subprocess.run(["cp", "-a", data, new / "data"], check=True)
        if "--pwfile" in files:
            shutil.copy(files["--pwfile"], new / "password")
        with suppress(OSError):  # another process was faster
            new.rename(template)
    return created


ProcessIdentity.run = _run_or_copy  # type: ignore[method-assign,assignment]
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def _test_stack() -> Stack:
    return Stack(Path(os.environ[_FOLDER]), postgres_options=_FAST)


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault(_FOLDER, str(HOME / "tests" / str(os.getpid())))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the servers of runs that were killed before they could."""
    if hasattr(session.config, "workerinput"):
        return
    for folder in (HOME / "tests").glob("[0-9]*"):
        if not psutil.pid_exists(int(folder.name)):
            _remove(Stack(folder))


def _remove(stack: Stack) -> None:
    stack.down()
    shutil.rmtree(stack.folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        stack = _test_stack()
        if stack.folder.exists():
            _remove(stack)


def stand_in(url: str) -> dict[str, str]:
    """The environment of a job that takes `url` for AWS itself: no endpoint is set."""
    guard = PROJECT / "tests" / "guards" / "aws"
    return {"AWS_ENDPOINT_URL": "", "AWS_STAND_IN": url, "PYTHONPATH": f"{guard}{os.pathsep}{PROJECT}"}


@pytest.fixture(scope="session")
def stack() -> dict[str, str]:
    """The settings by which the jobs find this run's PostgreSQL and LocalStack."""
    return _test_stack().up().settings


@pytest.fixture(scope="session")
def server(stack: dict[str, str]) -> Connection:
    """The way to the maintenance database of this run's PostgreSQL."""
    return _test_stack().cluster.connection()


@pytest.fixture
def database_name() -> str:
    """What the test's own database is called: `database` makes it, for those that ask for it."""
    return f"test_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def database(server: Connection, database_name: str) -> Iterator[Database]:
    """An empty database of the test's own."""
    made = Database(server).sibling(database_name)
    made.create()
    yield made
    made.drop()


@pytest.fixture
def copy(database: Database) -> Iterator[Database]:
    """The name of a second database, which a test may make."""
    named = database.sibling(f"{database.name}_copy")
    yield named
    named.drop()


@pytest.fixture
def execute(database: Database) -> Callable[[str], None]:
    """Runs SQL statements in the test's database."""

    def run(statements: str) -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statements)

    return run


@pytest.fixture(scope="session")
def aws(stack: dict[str, str]) -> Aws:
    """LocalStack's account."""
    return Aws(AwsAccess(region="us-east-1", endpoint_url=stack["AWS_ENDPOINT_URL"]))


@pytest.fixture
def storage(aws: Aws) -> Storage:
    """A new, empty bucket of the test's own, with the tag that makes it Shoreline's."""
    name = f"test-{uuid.uuid4().hex[:16]}"
    aws.s3.create_bucket(Bucket=name)
    aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "project", "Value": "shoreline"}]})
    return Storage(aws, name)


@pytest.fixture
def archives(storage: Storage) -> Archives:
    """Archives over the test's bucket."""
    return Archives(storage)


@pytest.fixture
def settings(stack: dict[str, str], database_name: str, storage: Storage, tmp_path: Path) -> dict[str, str]:
    """The environment of a job that works on the test's database and bucket, and writes under tmp_path.

    The database is there for a test that asks for it, too: making one costs as much as a job, and few need it.
    """
    return {
        **stack,
        "DRILL_HOST": stack["PGHOST"],  # a throw-away server for each drill would take seconds; its tests unset this
        "PGDATABASE": database_name,
        "BUCKET": storage.bucket,
        "OUTPUT_DIR": str(tmp_path / "output"),
        "RECEIPTS_DIR": str(tmp_path / "receipts"),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }


@pytest.fixture
def shoreline(settings: dict[str, str], tmp_path: Path) -> Shoreline:
    """Runs `shoreline ARGUMENTS` to its end, as a user would; `env` changes its settings.

    `fresh` does so in an interpreter of its own, which costs ten times as much: for one test of each job, and for
    those that look at what is imported or at the process itself.
    """

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 120, fresh: bool = False
    ) -> Outcome:
        begin = command_line.fresh if fresh else command_line.forked
        return begin([*map(str, arguments)], command_line.environment(settings, env), tmp_path, timeout)

    return run
