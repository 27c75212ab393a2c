"""The database job makes the sample database, and never touches another."""

from __future__ import annotations

from collections.abc import Callable

from services.postgres.client import Database
from tests.conftest import Shoreline


def test_a_new_database_has_five_rows_a_table_and_its_foreign_keys(shoreline: Shoreline, database: Database) -> None:
    result = shoreline("database", "--json", fresh=True).json["result"]
    assert result["rows"] == {"users": 5, "orders": 5, "events": 5}
    keys = database.scalar("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated")
    assert keys == 2


def test_rows_are_filled_up_and_a_second_run_adds_none(shoreline: Shoreline, database: Database) -> None:
    shoreline("database")
    filled = shoreline("database", "--rows", 1000, "--json").json["result"]["rows"]
    again = shoreline("database", "--rows", 1000, "--json").json["result"]["rows"]
    assert filled == again == {"users": 1000, "orders": 1000, "events": 1000}
    assert (
        database.scalar("INSERT INTO orders (user_id, amount, status) VALUES (1, 1, 'paid') RETURNING order_id") == 1001
    )


def test_the_same_rows_are_made_every_time(shoreline: Shoreline, database: Database) -> None:
    digest = "SELECT md5(string_agg(o::text, ',' ORDER BY order_id)) FROM orders o"
    shoreline("database", "--rows", 200)
    first = database.scalar(digest)
    database.drop()
    shoreline("database", "--rows", 200)
    assert database.scalar(digest) == first


def test_a_database_with_other_tables_is_left_alone(
    shoreline: Shoreline, database: Database, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE theirs (id int)")
    outcome = shoreline("database")
    assert outcome.exit_code == 5
    assert "other tables (theirs)" in outcome.errors
    assert database.scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1


def test_a_database_that_is_not_there_leads_to_the_one_that_can_be_made(shoreline: Shoreline) -> None:
    outcome = shoreline("backup", env={"PGDATABASE": "not_there"})
    assert outcome.exit_code == 4
    assert "`shoreline restore --database=" in outcome.errors


def test_a_server_that_is_not_there_is_named_without_a_traceback(shoreline: Shoreline) -> None:
    outcome = shoreline("database", env={"PGPORT": "1"})
    assert outcome.exit_code == 4
    assert "127.0.0.1:1" in outcome.errors
    assert "Traceback" not in outcome.errors
