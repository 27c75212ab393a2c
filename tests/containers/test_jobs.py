"""Every job through `docker compose run --rm`, as after `cp .env.example .env`."""

from __future__ import annotations

import pytest

from tests.containers.project import Project

CONTENT = """
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
    SELECT users::text AS line FROM users
    UNION ALL SELECT orders::text FROM orders
    UNION ALL SELECT events::text FROM events
) AS lines
"""


def test_a_backup_is_the_first_command_that_works(here: Project) -> None:
    ended = here.job("backup")
    assert ended.exit_code == 0, ended.errors
    assert "3 tables" in ended.output


def test_setup_finds_the_bucket_as_it_should_be(here: Project) -> None:
    steps = here.result("setup")["steps"]
    assert {step["outcome"] for step in steps} <= {"as it should be", "set"}
    assert steps[0]["outcome"] == "as it should be"


def test_a_database_that_was_dropped_comes_back_as_it_was(here: Project) -> None:
    here.result("database", "--rows", "2000")
    before = here.sql(CONTENT)
    here.result("backup")
    here.sql("DROP DATABASE saas_platform WITH (FORCE)", database="postgres")
    restored = here.result("restore", "--latest")
    assert restored["rows"] >= 6000
    assert here.sql(CONTENT) == before


def test_a_drill_proves_the_newest_backup_and_the_list_shows_it(here: Project) -> None:
    made = here.result("backup")["backups"][0]
    drilled = here.result("drill")
    assert drilled["key"] == made["key"]
    assert drilled["record"]["ok"] is True
    assert drilled["record"]["server_version"].startswith("17.")
    listed = here.job("backups")
    assert listed.exit_code == 0
    assert "never" not in next(line for line in listed.output.splitlines() if line.startswith("20"))


ATTACK = """
CREATE ROLE tenant LOGIN;
CREATE SCHEMA AUTHORIZATION tenant;
SET ROLE tenant;
CREATE FUNCTION tenant.rise(int) RETURNS bool LANGUAGE plpgsql AS $$BEGIN
  IF current_setting('is_superuser') = 'on' THEN
    EXECUTE 'ALTER ROLE tenant SUPERUSER';
    BEGIN
      PERFORM pg_read_file('/run/secrets/pgpassword');
      RAISE 'the password of production is readable';
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END IF;
  RETURN true;
END$$;
CREATE TABLE tenant.t (a int CHECK (tenant.rise(a)));
INSERT INTO tenant.t VALUES (1);
"""


def test_drill_in_its_container_keeps_tenants_code_inside(here: Project) -> None:
    """Of a database with ICU, whose table owner would become a superuser and read the password of production."""
    here.compose("up", "--detach", "--wait", "postgres", "localstack")
    here.sql("CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'", "postgres")
    here.sql(ATTACK, database="icu")
    own = {"PGDATABASE": "icu", "BACKUP_PREFIX": "attacked"}
    here.result("backup", env=own)
    record = here.result("drill", env=own)["record"]
    assert (record["ok"], record["server_kind"]) == (True, "throwaway")
    assert here.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'tenant'") == "f"


def test_the_lake_is_made_sent_and_asked(here: Project) -> None:
    assert here.job("generate").exit_code == 0
    sent = here.result("upload")
    assert sent["rows"]["orders"] > 0
    assert here.result("upload")["rows"] == sent["rows"]
    asked = here.result("athena")
    assert asked["engine"] == "duckdb"
    assert len(asked["results"]) == 5
    assert all(0 < each["figures"]["scanned"] < 1_000_000 for each in asked["results"])
    assert here.job("tables").exit_code == 0


def test_the_lake_is_exported_from_postgresql_itself(here: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o777)
    own = {"SHORELINE_DATA": str(folder), "LAKE_PREFIX": "exported"}
    orders = int(here.sql("SELECT count(*) FROM orders"))
    exported = here.result("export", "--full", env=own)
    assert {each["name"]: each["rows"] for each in exported["tables"]}["orders"] == orders
    assert here.result("upload", env=own)["rows"]["orders"] == orders


def test_retention_and_the_state_of_the_backups_are_told(here: Project) -> None:
    here.result("backup")
    here.result("drill")
    assert all(each["keep"] for each in here.result("prune", "--dry-run")["decisions"])
    assert here.job("status").exit_code == 0


def test_a_failure_reaches_the_shell_as_its_exit_code(here: Project) -> None:
    ended = here.job("backup", env={"PGDATABASE": "no_such_database"})
    assert ended.exit_code == 4
    assert "no_such_database" in ended.errors
    assert "Traceback" not in ended.errors


def test_a_wrong_password_is_told_and_not_shown(here: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("secrets") / "pgpassword"
    file.write_text("not-the-password\n")
    file.chmod(0o644)
    ended = here.job("backup", env={"PGPASSWORD_FILE": str(file)}, deps=False)
    assert ended.exit_code == 4
    assert "password authentication failed" in ended.errors
    assert "not-the-password" not in ended.errors + ended.output


def test_a_job_logs_json_and_closes_with_one_line_of_fields(here: Project) -> None:
    ended = here.job("backup")
    closing = ended.log[-1]
    assert closing["job"] == "backup"
    assert closing["exit_code"] == 0
    assert closing["backup_bytes"] > 0
    assert closing["bucket"] == "shoreline-local"
    assert {line["run_id"] for line in ended.log} == {closing["run_id"]}
    assert sum("exit_code" in line for line in ended.log) == 1


def test_settings_that_are_wrong_are_told_in_json_too(here: Project) -> None:
    ended = here.job("backup", env={"BACKUP_KEEP_DAYS": "seven"}, deps=False)
    assert ended.exit_code == 2
    assert any("BACKUP_KEEP_DAYS" in line["message"] for line in ended.log)


def test_cleanup_leaves_nothing(there: Project) -> None:
    """On the other project's stack, which no other test's backups are in."""
    assert there.job("backup").exit_code == 0
    ended = there.job("cleanup", "--yes", "--json")
    assert ended.exit_code == 0, ended.output + ended.errors
    assert there.job("backup").exit_code == 8
    assert there.job("setup").exit_code == 0
    assert there.job("backup").exit_code == 0
