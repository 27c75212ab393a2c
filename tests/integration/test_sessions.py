"""What a database, a role or a session of somebody else may do to the sessions of Shoreline's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.backups.checks import dump_problems
from services.backups.naming import Format
from services.errors import BackupFailed, DatabaseError
from services.postgres.client import Connection, Database
from services.postgres.connection import SAFE_PATH
from services.postgres.waiting import Limits, without_literals
from tests.archives import SMALL_PARTS, Archives
from tests.command_line import Shoreline

_STEALING = """
CREATE ROLE {role} LOGIN PASSWORD 'x';
CREATE SCHEMA evil;
CREATE FUNCTION evil.steal() RETURNS void LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('is_superuser') = 'on' THEN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END IF;
END$$;
CREATE FUNCTION public.to_jsonb(pg_database) RETURNS jsonb LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.steal(); RETURN pg_catalog.to_jsonb($1); END$$;
CREATE FUNCTION public.pg_table_size(oid) RETURNS bigint LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.steal(); RETURN pg_catalog.pg_table_size($1); END$$;
CREATE FUNCTION evil.pg_database_size(name) RETURNS bigint LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.steal(); RETURN 1; END$$;
CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN PERFORM evil.steal(); RETURN 1; END$$;
CREATE FUNCTION evil.later(timestamptz, timestamptz) RETURNS bool LANGUAGE plpgsql AS
    $$BEGIN PERFORM evil.steal(); RETURN $1 OPERATOR(pg_catalog.>=) $2; END$$;
CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.later);
CREATE DOMAIN evil.date AS pg_catalog.date CHECK (evil.steal() IS NOT NULL);
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.steal() IS NOT NULL);
CREATE TABLE public.deals (id bigint PRIMARY KEY, at timestamptz, pair evil.pair, note evil.note);
"""
_TYPES = "CREATE SCHEMA evil; CREATE TYPE evil.pair AS (a int, b int); CREATE DOMAIN evil.note AS pg_catalog.text;"


@pytest.fixture
def thief(database: Database, execute: Callable[[str], None]) -> Iterator[str]:
    """A role that becomes a superuser if a function of the test's database is run by one."""
    role = f"thief_{database.name}"
    script = _STEALING.format(role=role).replace("CREATE SCHEMA evil;", _TYPES, 1)
    rows = "INSERT INTO deals VALUES (1, '2025-01-02 03:04:05Z', (1, 2), 'a'), (2, '2025-01-03Z', (3, 4), 'b')"
    steal = "CREATE FUNCTION evil.to_json(evil.pair) RETURNS json LANGUAGE plpgsql AS "
    steal += "$$BEGIN PERFORM evil.steal(); RETURN pg_catalog.to_json($1); END$$"
    execute(f"{script}{rows};{steal}")
    execute(f"ALTER DATABASE {database.name} SET search_path = evil, public, pg_catalog")
    yield role
    execute(f"DROP ROLE {role}")


def _is_superuser(database: Database, role: str) -> bool:
    return bool(database.scalar("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = %s", role))


def test_jobs_never_run_functions_that_shadow_postgresqls(shoreline: Shoreline, database: Database, thief: str) -> None:
    for job in (
        ["backup"],
        ["drill"],
        ["export", "--table=public.deals:at", "--full"],
        ["export", "--table=public.deals:at", "--from=2025-01-01", "--to=2025-01-03"],
        ["restore", "--latest", f"--into={database.name}_copy"],
        ["restore", "--latest", f"--into={database.name}_copy", "--replace", "--yes"],
    ):
        done = shoreline(*job, env={"BACKUP_GLOBALS": "none"})
        assert done.exit_code == 0, done.errors
        assert not _is_superuser(database, thief), job
    database.sibling(f"{database.name}_copy").drop()


def test_export_reads_view_whose_function_needs_search_path(
    shoreline: Shoreline, database: Database, execute: Callable[[str], None]
) -> None:
    execute(
        "CREATE SCHEMA app; CREATE TABLE app.rates (rate int); INSERT INTO app.rates VALUES (3);"
        "CREATE FUNCTION app.rated(int) RETURNS int LANGUAGE plpgsql AS "
        "$$BEGIN RETURN $1 * (SELECT rate FROM rates); END$$;"
        "CREATE TABLE app.sales (amount int, at timestamptz); INSERT INTO app.sales VALUES (2, '2025-01-02Z');"
        "CREATE VIEW app.rated_sales AS SELECT app.rated(amount) AS total, at FROM app.sales"
        " WHERE app.rated(amount) > 0"
    )
    execute(f"ALTER DATABASE {database.name} SET search_path = app, public")
    done = shoreline("export", "--table=app.rated_sales:at", "--full")
    assert done.exit_code == 0, done.errors


@pytest.fixture
def owner(server: Connection, database: Database, execute: Callable[[str], None]) -> Iterator[Database]:
    """The test's database, as an ordinary role that owns it sees it."""
    role = f"owner_{database.name}"
    execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CREATEDB; ALTER DATABASE {database.name} OWNER TO {role}")
    yield Database(replace(server, user=role, password="x", database=database.name, search_path=SAFE_PATH, servers={}))
    execute(f"ALTER DATABASE {database.name} OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_settings_of_role_do_not_reach_shorelines_sessions(
    archives: Archives, database: Database, owner: Database, execute: Callable[[str], None]
) -> None:
    execute(
        "CREATE TABLE public.t AS SELECT n, '\\x00ff'::bytea AS b FROM generate_series(1, 10) n;"
        "GRANT SELECT ON public.t TO PUBLIC"
    )
    hostile = {
        "statement_timeout": "'1ms'",
        "lock_timeout": "'1ms'",
        "idle_in_transaction_session_timeout": "'1s'",
        "idle_session_timeout": "'1s'",
        "transaction_timeout": "'1s'",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "bytea_output": "escape",
        "DateStyle": "'German'",
        "IntervalStyle": "sql_standard",
        "TimeZone": "'Asia/Tokyo'",
        "standard_conforming_strings": "off",
        "search_path": "''",
    }
    user = owner.connection.user
    for name, value in hostile.items():
        execute(f"ALTER ROLE {user} SET {name} = {value}")
    with owner.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE lower(name) = ANY (%s)", ([*map(str.lower, hostile)],)
        )
        found = {name.lower(): setting for name, setting in cursor.fetchall()}
    expected = {**owner.connection.settings()}
    assert {name: found[name] for name in found} == {name: expected[name] for name in found}
    assert len(found) == len(hostile)
    created = archives.back_up(owner)
    assert archives.back_up(database).manifest.fingerprint.tables == created.manifest.fingerprint.tables


@pytest.fixture
def locked(database: Database, execute: Callable[[str], None]) -> Iterator[None]:
    """A table that a session of somebody else holds locked."""
    execute("CREATE TABLE held (secret text)")
    blocking = Database(replace(database.connection, application="ledger"))
    with blocking.connect() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE public.held IN ACCESS EXCLUSIVE MODE; SELECT 'hunter2', 4711")
        yield


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("format_", ["plain", "custom"])
def test_backup_behind_lock_fails_and_names_blocker(archives: Archives, database: Database, format_: Format) -> None:
    options = replace(SMALL_PARTS, format=format_, limits=Limits(lock_seconds=4))
    lines: list[str] = []
    archive = archives.of()
    with pytest.raises(BackupFailed) as caught, archive.lease("backup") as lease:
        archive.create(database, lease, options, say=lines.append)
    assert "BACKUP_LOCK_TIMEOUT" in caught.value.next_step
    for text in (str(caught.value), *lines):
        assert "ledger" in text
        assert "hunter2" not in text
        assert "4711" not in text
    assert len(lines) == 1
    archives.assert_nothing_left()


@pytest.mark.usefixtures("locked")
def test_query_behind_lock_ends_and_says_how_to_find_blocker(database: Database) -> None:
    impatient = Database(replace(database.connection, lock_seconds=1))
    with pytest.raises(DatabaseError) as caught:
        impatient.scalar("SELECT count(*) FROM public.held")
    assert "pg_blocking_pids" in caught.value.next_step


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("UPDATE t SET a = 'x''y', b = 12.5 WHERE c1 = E'\\'' ", "UPDATE t SET a = ?, b = ? WHERE c1 = ?"),
        ("DO $q$ secret $q$", "DO ?"),
        ("SELECT 'not closed", "SELECT ?"),
        ("SELECT " + "a" * 200, "SELECT " + "a" * 93 + "..."),
    ],
)
def test_query_of_blocker_is_shown_without_values(query: str, shown: str) -> None:
    assert without_literals(query) == shown


def test_preflight_names_tables_that_the_role_may_not_read(
    database: Database, owner: Database, execute: Callable[[str], None]
) -> None:
    execute(
        "CREATE TABLE public.open (a int); CREATE TABLE public.closed (a int); CREATE SEQUENCE public.numbers;"
        "CREATE TABLE public.guarded (a int); ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;"
        "GRANT SELECT ON public.open, public.guarded TO PUBLIC"
    )
    problems = dump_problems(owner)
    assert [problem.problem.count("public.closed, public.numbers") for problem in problems] == [1, 0]
    assert [next(word for word in ("pg_read_all_data", "BYPASSRLS") if word in each.next_step) for each in problems]
    assert dump_problems(database) == ()


def test_job_goes_by_hostaddr_in_all_its_connections(
    shoreline: Shoreline, database: Database, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE public.t (a int)")
    env = {"PGHOST": "no.such.host.invalid", "PGHOSTADDR": database.connection.host, "BACKUP_GLOBALS": "no-passwords"}
    done = shoreline("backup", env=env)
    assert done.exit_code == 0, done.errors
    done = shoreline("drill", env=env)
    assert done.exit_code == 0, done.errors


def test_connections_require_the_authentication_that_is_asked_for(shoreline: Shoreline, database: Database) -> None:
    done = shoreline("backup", env={"PGREQUIREAUTH": "password"})
    assert (done.exit_code, database.exists()) == (4, True)
    assert "PGREQUIREAUTH" in done.errors
