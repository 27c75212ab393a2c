"""What a job advises never destroys data, and leads to what helps."""

from __future__ import annotations

import pytest

from jobs.cli.result import typed
from services.errors import ShorelineError
from services.postgres.client import Database
from tests.conftest import Shoreline


def classes(base: type[ShorelineError]) -> list[type[ShorelineError]]:
    return [base, *(each for below in base.__subclasses__() for each in classes(below))]


def test_no_default_next_step_passes_a_question() -> None:
    assert [each.__name__ for each in classes(ShorelineError) if "--yes" in each.next_step] == []


def test_a_dropped_database_is_answered_with_restore(shoreline: Shoreline, database: Database) -> None:
    outcome = shoreline("backup", "--json", env={"PGDATABASE": "dropped"})
    assert outcome.exit_code == 4
    assert "`shoreline restore --database=dropped`" in outcome.json["next_step"]
    assert database.name in outcome.json["next_step"]
    assert "shoreline database" not in outcome.json["next_step"]


def test_a_missing_sample_database_can_still_be_made(shoreline: Shoreline) -> None:
    outcome = shoreline("backup", "--json", env={"PGDATABASE": "saas_platform"})
    if outcome.exit_code:  # another test of this server may have made it
        assert "`shoreline database`" in outcome.json["next_step"]


def test_database_that_utf8_cannot_express_gets_a_next_step(shoreline: Shoreline, database: Database) -> None:
    odd = database.sibling(f"{database.name}_mule")
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {odd.name} TEMPLATE template0 ENCODING 'MULE_INTERNAL' LOCALE 'C'")
    try:
        outcome = shoreline("backup", "--json", env={"PGDATABASE": odd.name})
        assert outcome.exit_code == 4
        assert "pg_dump" in outcome.json["next_step"]
    finally:
        odd.drop()


def test_a_drill_without_createdb_says_how_to_allow_it(shoreline: Shoreline, database: Database) -> None:
    assert shoreline("backup").exit_code == 0
    role = f"{database.name}_role"
    with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    try:
        outcome = shoreline("drill", "--json", env={"PGUSER": role, "PGPASSWORD": "x"})
        assert outcome.exit_code == 5
        assert "CREATEDB" in outcome.json["next_step"]
    finally:
        with database.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP ROLE {role}")


def test_a_mistyped_address_fails_the_preflight(shoreline: Shoreline) -> None:
    outcome = shoreline("preflight", "backup", env={"NOTIFY_URLS": "slakc://hook-token/x"})
    assert outcome.exit_code == 2
    assert "NOTIFY_URLS" in outcome.errors
    assert "slakc" not in outcome.errors  # an unknown scheme may be a part of a secret
    assert "hook-token" not in outcome.errors


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("psql --host=postgres --port=5432 --dbname=x", "docker compose exec postgres psql --host=postgres"),
        ("psql --host=db.example.com --dbname=x", "psql --host=db.example.com"),
        ("shoreline up", "docker compose up --detach --wait localstack"),
    ],
)
def test_commands_in_containers_are_typed_as_they_work_there(command: str, shown: str) -> None:
    assert typed(command, embedded=False, contained=True).startswith(shown)


def test_settings_without_a_file_lead_to_the_example(shoreline: Shoreline) -> None:
    outcome = shoreline("backups", "--json", env={"BUCKET": ""})
    assert outcome.exit_code == 2
    assert "cp .env.example .env" in outcome.json["next_step"]
