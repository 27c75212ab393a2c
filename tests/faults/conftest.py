"""A store that fails on demand, and databases that are large enough to fail in the middle of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from services.postgres.client import Connection, Database
from services.s3.client import Aws, AwsAccess
from services.s3.objects import Storage
from tests.faults.proxy import FaultProxy


@pytest.fixture
def proxy(stack: dict[str, str]) -> Iterator[FaultProxy]:
    """A proxy of the test's own in front of LocalStack, which lets everything pass at first."""
    with FaultProxy(stack["AWS_ENDPOINT_URL"]) as running:
        yield running


@pytest.fixture
def through_proxy(storage: Storage, proxy: FaultProxy) -> Storage:
    """The test's bucket, by way of the proxy, with little patience."""
    access = AwsAccess(region="us-east-1", endpoint_url=proxy.url, attempts=5, answer_seconds=1)
    return Storage(Aws(access), storage.bucket)


def filled(database: Database, megabytes: int) -> None:
    """Puts about so many megabytes of SQL into the database, half as many when compressed."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE filled AS SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 32) m)"
            f" AS text FROM generate_series(1, {megabytes * 970}) n;"
            "ALTER TABLE filled ADD PRIMARY KEY (n);"
            "CREATE TABLE small (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);"
            "INSERT INTO small (name) SELECT 'row ' || n FROM generate_series(1, 1000) n"
        )


@pytest.fixture(scope="session")
def medium(server: Connection) -> Iterator[Database]:
    """A database of 24 MB, which no test changes: three parts and some."""
    yield from _session_database(server, "medium", 24)


@pytest.fixture(scope="session")
def large(server: Connection) -> Iterator[Database]:
    """A database of 90 MB, which no test changes: more than the pipeline holds while no part gets through."""
    yield from _session_database(server, "large", 90)


def _session_database(server: Connection, name: str, megabytes: int) -> Iterator[Database]:
    made = Database(server).sibling(f"test_{name}_{secrets.token_hex(4)}")
    made.create()
    filled(made, megabytes)
    yield made
    made.drop()


@pytest.fixture
def scratch_names(server: Connection) -> Callable[[str], list[str]]:
    """Asks for the scratch databases on the server whose names begin as a test's do."""

    def ask(prefix: str) -> list[str]:
        with Database(server).connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                r"SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname ~ '_(restoring|old)_'",
                (prefix,),
            )
            return [row[0] for row in cursor.fetchall()]

    return ask
