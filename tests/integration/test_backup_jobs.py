"""The backup jobs as a user runs them: retention, several databases, status, and the bucket's lifecycle."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.backups.drill import drill
from services.backups.dump import fingerprint
from services.backups.globals import dump_globals
from services.backups.load import LoadOptions
from services.backups.naming import MANIFEST
from services.backups.repository import DumpOptions
from services.local.postgres import Cluster
from services.local.stack import PROJECT
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.archives import Archives
from tests.conftest import Shoreline
from tests.faults.proxy import Answer, FaultProxy
from tests.integration.schemas import AWKWARD

Execute = Callable[[str], None]
_DENIED = Answer(403, b"<Error><Code>AccessDenied</Code><Message>Not you.</Message></Error>")


@pytest.fixture
def later(stack: dict[str, str]) -> Iterator[Callable[[float], dict[str, str]]]:
    """The environment of a job so many days from now: the store's clock is ahead."""
    with FaultProxy(stack["AWS_ENDPOINT_URL"]) as proxy:

        def at(days: float) -> dict[str, str]:
            proxy.skew = timedelta(days=days)
            return {"AWS_ENDPOINT_URL": proxy.url, "BACKUP_KEEP_MIN": "1"}

        yield at


def test_retention_runs_after_a_backup_and_prune_prints_the_same_plan(
    shoreline: Shoreline, storage: Storage, execute: Execute, later: Callable[[float], dict[str, str]]
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS id")
    old = shoreline("backup", "--json").json["result"]["backups"][0]["key"]
    young = shoreline("backup", "--json", env=later(20)).json["result"]["backups"][0]["key"]
    planned = shoreline("prune", "--dry-run", "--json", env=later(31)).json["result"]["decisions"]
    assert [(each["keep"], each["reason"]) for each in planned] == [(True, "the newest"), (False, "older than 30 days")]
    refused = shoreline("prune", "--json", env=later(31), fresh=True)
    assert refused.exit_code == 23
    assert "none goes before a new one succeeds" in refused.json["error"]
    assert storage.head(old) is not None
    made = shoreline("backup", "--json", env=later(31)).json["result"]
    reasons = {each["key"].rpartition("/")[2]: each["reason"] for each in made["retention"]}
    assert sorted(reasons.values()) == ["older than 30 days", "the newest", "within 30 days"]
    assert storage.head(old) is None
    assert storage.head(young) is not None


@pytest.mark.usefixtures("database")
def test_a_failed_backup_removes_nothing(
    shoreline: Shoreline, storage: Storage, later: Callable[[float], dict[str, str]]
) -> None:
    keys = [shoreline("backup", "--json", env=later(day)).json["result"]["backups"][0]["key"] for day in (0, 20)]
    failed = shoreline("backup", env={**later(60), "PGDATABASE": "not_there"})
    assert failed.exit_code == 4
    assert all(storage.head(key) is not None for key in keys)


def test_a_backup_that_lost_half_its_size_is_warned_of(shoreline: Shoreline, execute: Execute) -> None:
    execute("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 5000) n")
    assert shoreline("backup", "--json").json["result"]["backups"][0]["warning"] is None
    execute("DELETE FROM t WHERE n > 1000")
    outcome = shoreline("backup", "--json")
    assert outcome.exit_code == 0
    assert "shrank" in outcome.json["result"]["backups"][0]["warning"]
    assert "shrank" in outcome.errors


def test_two_named_databases_have_folders_of_their_own_and_one_that_fails_fails_the_run(
    shoreline: Shoreline, database: Database
) -> None:
    other = database.sibling(f"{database.name}_b")
    other.create()
    try:
        env = {"PGDATABASE": f"{database.name}, {other.name}, not_there"}
        outcome = shoreline("backup", "--json", env=env)
        assert outcome.exit_code == 11
        assert "1 of 3 databases were not backed up:\n  not_there:" in outcome.json["error"]
        keys = {each["database"]: each["key"] for each in outcome.json["result"]["backups"]}
        assert keys.keys() == {database.name, other.name}
        assert all(f"backups/postgres/{name}/20" in key for name, key in keys.items())
        listed = shoreline("backups", "--json", env=env).json["result"]["backups"]
        assert {each["database"] for each in listed} == {database.name, other.name}
        unclear = shoreline("drill", env=env)
        assert unclear.exit_code == 2
        assert "PGDATABASE names 3 databases" in unclear.errors
    finally:
        other.drop()


def test_all_databases_are_backed_up_before_retention_removes_anything(
    shoreline: Shoreline, database: Database, storage: Storage, stack: dict[str, str]
) -> None:
    other = database.sibling(f"{database.name}_b")
    other.create()
    names = f"{database.name},{other.name}"
    try:
        with FaultProxy(stack["AWS_ENDPOINT_URL"]) as proxy:
            env = {"PGDATABASE": names, "AWS_ENDPOINT_URL": proxy.url, "BACKUP_KEEP_MIN": "1"}
            first = shoreline("backup", env=env)
            assert first.exit_code == 0, first.errors
            assert "Next: shoreline backups" in first.errors
            proxy.skew = timedelta(days=31)
            proxy.decide = lambda asked: _DENIED if asked.is_delete_objects else None
            refused = shoreline("backup", "--json", env=env)
            plainly = shoreline("backup", env=env)
        assert refused.exit_code == plainly.exit_code == 10
        assert "Not you." in refused.errors
        assert refused.json["result"]["retention_failed"] == refused.json["error"]
        assert [each["database"] for each in refused.json["result"]["backups"]] == [database.name, other.name]
        assert all(f"database    {name}," in plainly.output for name in (database.name, other.name))
        assert "retention   FAILED" in plainly.output
        taken = [each.manifest.database for each in Archives(storage).assert_whole()]
        assert sorted(taken) == sorted([database.name, other.name] * 3)
    finally:
        other.drop()


@pytest.mark.usefixtures("database")
def test_a_leftover_that_may_not_be_deleted_keeps_nobody_from_a_backup(
    shoreline: Shoreline, storage: Storage, stack: dict[str, str]
) -> None:
    left = "backups/postgres/2025/06/10/backup_20250610_143022.sql.gz"
    storage.put(left, b"of a run that was killed")
    with FaultProxy(stack["AWS_ENDPOINT_URL"]) as proxy:
        proxy.decide = lambda asked: _DENIED if asked.is_delete_objects else None
        outcome = shoreline("backup", "--json", env={"AWS_ENDPOINT_URL": proxy.url})
    assert outcome.exit_code == 0, outcome.errors
    assert "what failed runs left stays: AWS refused DeleteObjects: Not you." in outcome.errors
    assert outcome.json["result"]["leftovers_removed"] == 0
    assert len(Archives(storage).assert_whole()) == 1
    assert storage.head(left) is not None


def test_a_mistyped_recipient_is_a_problem_with_the_settings_told_once_before_anything_starts(
    shoreline: Shoreline, database: Database, storage: Storage
) -> None:
    env = {"PGDATABASE": f"{database.name},not_there", "BACKUP_AGE_RECIPIENTS": "age1typo0000"}
    outcome = shoreline("backup", "--json", env=env)
    assert outcome.exit_code == 2
    assert outcome.json["error"].count("BACKUP_AGE_RECIPIENTS  'age1typo0000...' is no age recipient") == 1
    assert list(storage.objects("")) == []


def test_the_one_database_of_a_server_is_drilled_by_the_command_that_its_backup_names(
    shoreline: Shoreline, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off"})
    try:
        server = Database(cluster.start())
        env = {"PGPORT": str(server.connection.port), "PGPASSWORD": server.connection.password or ""}
        outcome = shoreline("backup", "--all-databases", env=env)
        assert outcome.exit_code == 0, outcome.errors
        program, *arguments = shlex.split(outcome.errors.rpartition("Next: ")[2])
        assert (program, arguments) == ("shoreline", ["drill", "--database=postgres"])
        drilled = shoreline(*arguments, env=env)
        assert drilled.exit_code == 0, drilled.errors
    finally:
        cluster.stop("immediate")


def test_the_listing_of_several_databases_ends_with_a_restore_that_works_as_typed(
    shoreline: Shoreline, database: Database
) -> None:
    other = database.sibling(f'{database.name} "$b"')
    other.create()
    restored = database.sibling(f"{other.name}_restored")
    try:
        for name in (database.name, other.name):
            made = shoreline("backup", env={"PGDATABASE": '"' + name.replace('"', '""') + '"'})
            assert made.exit_code == 0, made.errors
        listed = shoreline("backups")
        program, *arguments = shlex.split(listed.errors.rpartition("Next: ")[2])
        assert program == "shoreline"
        outcome = shoreline(*arguments)
        assert outcome.exit_code == 0, outcome.errors
        assert f"database    {restored.name}" in outcome.output
    finally:
        restored.drop()
        other.drop()


@pytest.mark.parametrize("option", ["--into", "--database"])
def test_an_empty_name_is_refused_and_never_means_the_database_itself(
    option: str, shoreline: Shoreline, execute: Execute, database: Database
) -> None:
    assert shoreline("backup").exit_code == 0
    execute("CREATE TABLE written_since AS SELECT 1 AS id")
    outcome = shoreline("restore", option, "", "--replace")
    assert outcome.exit_code == 2
    assert f"{option} is empty" in outcome.errors
    assert database.scalar("SELECT to_regclass('written_since')") == "written_since"


def test_every_database_of_a_server_is_backed_up_whatever_its_name(
    shoreline: Shoreline, storage: Storage, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off"})
    try:
        server = Database(cluster.start())
        names = ['it\'s "odd"', "a b", "Ünï ✓", "UPPER", "a=b", "-dash", "..", "a/b"]
        for name in names:
            server.sibling(name).create()
            with server.sibling(name).connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE t AS SELECT 1 AS id")
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE ROLE app LOGIN PASSWORD 'hunter2'")
        env = {"PGPORT": str(server.connection.port), "PGPASSWORD": server.connection.password or ""}
        outcome = shoreline("backup", "--all-databases", "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        archives = Archives(storage)
        backups = archives.assert_whole()
        assert sorted(each.manifest.database for each in backups) == sorted([*names, "postgres"])
        custom = [archives.back_up(server.sibling(name), options=DumpOptions("custom")) for name in names[:1]]
        for backup in [*backups, *custom]:
            found = drill(storage, backup, server.sibling(backup.manifest.database), LoadOptions(), datetime.now(UTC))
            assert found.record.ok, found.record.differences
        roles = backups[0].beside(backups[0].manifest.globals.name if backups[0].manifest.globals else "")
        assert b"CREATE ROLE app;" in gzip.decompress(storage.read(roles) or b"")
        assert b"SCRAM" not in b"".join(dump_globals(server, passwords=False))
    finally:
        cluster.stop("immediate")


def test_a_database_that_nobody_may_enter_is_left_out_of_all_and_told(shoreline: Shoreline, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off"})
    try:
        server = Database(cluster.start())
        server.sibling("closed").create()
        with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
            cursor.execute("CREATE ROLE app LOGIN PASSWORD 'x'")
        env = {"PGPORT": str(server.connection.port), "PGUSER": "app", "PGPASSWORD": "x", "BACKUP_GLOBALS": "none"}
        outcome = shoreline("backup", "--all-databases", "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        assert [each["database"] for each in outcome.json["result"]["backups"]] == ["postgres"]
        assert outcome.json["result"]["left_out"] == ["closed"]
        assert "closed is left out: app may not connect to it" in outcome.errors
    finally:
        cluster.stop("immediate")


def test_a_database_that_the_servers_own_rules_close_fails_the_run_and_the_others_are_backed_up(
    shoreline: Shoreline, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "autovacuum": "off"})
    try:
        server = Database(cluster.start())
        for name in ("first", "shut", "then"):
            server.sibling(name).create()
        (rules,) = (tmp_path / "server").rglob("pg_hba.conf")
        rules.write_text(f"host shut all all reject\n{rules.read_text()}")
        server.scalar("SELECT pg_reload_conf()")
        env = {"PGPORT": str(server.connection.port), "PGPASSWORD": server.connection.password or ""}
        outcome = shoreline("backup", "--all-databases", "--json", env=env)
        assert outcome.exit_code == 11
        assert "1 of 4 databases were not backed up:\n  shut: No connection" in outcome.json["error"]
        assert [each["database"] for each in outcome.json["result"]["backups"]] == ["first", "postgres", "then"]
    finally:
        cluster.stop("immediate")


def test_globals_that_the_role_may_not_read_fail_the_run_and_may_be_left_out(
    shoreline: Shoreline, database: Database, execute: Execute, storage: Storage
) -> None:
    role = f"{database.name}_role"
    execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'; CREATE TABLE t (id integer); ALTER TABLE t OWNER TO {role}")
    env = {"PGUSER": role, "PGPASSWORD": "x"}
    try:
        refused = shoreline("backup", env=env)
        assert refused.exit_code == 11
        assert "permission denied for table pg_authid" in refused.errors
        assert "BACKUP_GLOBALS=none" in refused.errors
        assert [item.key for item in storage.objects("")] == ["backups/postgres/lease.json"]
        assert shoreline("backup", env=env | {"BACKUP_GLOBALS": "none"}).exit_code == 0
    finally:
        execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_status_fails_without_a_backup(shoreline: Shoreline, database_name: str) -> None:
    nothing = shoreline("status", "--json", fresh=True)
    assert nothing.exit_code == 23
    assert database_name in nothing.json["error"]


def test_status_sends_an_undrilled_backup_to_a_drill(
    shoreline: Shoreline, database: Database, archives: Archives
) -> None:
    archives.back_up(database)
    unproved = shoreline("status")
    assert unproved.exit_code == 0
    assert "In order" not in unproved.output
    assert f"Next: shoreline drill --database={database.name}" in unproved.errors


@pytest.mark.usefixtures("database")
def test_status_is_in_order_after_a_drill(shoreline: Shoreline) -> None:
    shoreline("backup")
    shoreline("drill")
    fine = shoreline("status")
    assert fine.exit_code == 0
    assert "In order." in fine.output


def test_status_fails_when_the_newest_backup_is_old(
    shoreline: Shoreline, database: Database, archives: Archives, later: Callable[[float], dict[str, str]]
) -> None:
    archives.back_up(database)
    stale = shoreline("status", env=later(2))
    assert stale.exit_code == 23
    assert "2 days old" in stale.errors


def test_setup_manages_its_lifecycle_rules_beside_those_of_others(shoreline: Shoreline, storage: Storage) -> None:
    s3 = storage.aws.s3
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}

    def rules() -> dict[str, object]:
        return {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=storage.bucket)["Rules"]}

    s3.put_bucket_lifecycle_configuration(
        Bucket=storage.bucket,
        LifecycleConfiguration={"Rules": [theirs]},  # type: ignore[list-item]
    )
    drifted = shoreline("setup", "--check", "--json")
    assert drifted.exit_code == 23
    assert "lifecycle: shoreline-backups-expire is missing" in drifted.json["error"]
    assert rules() == {"theirs": theirs}
    assert shoreline("setup").exit_code == 0
    assert rules()["theirs"] == theirs
    assert len(rules()) == 4
    longer = shoreline("setup", env={"BACKUP_KEEP_MONTHLY": "24"})
    assert longer.exit_code == 0, longer.errors
    assert len(rules()) == 5
    assert shoreline("setup", "--check", env={"BACKUP_KEEP_MONTHLY": "24"}).exit_code == 0


@pytest.mark.usefixtures("database")
def test_what_is_written_is_encrypted_with_the_key_that_is_set(shoreline: Shoreline, storage: Storage) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    made = shoreline("backup", "--json", env={"BUCKET_KMS_KEY_ID": key}).json["result"]["backups"][0]["key"]
    for name in (made, made.replace(".sql.gz", MANIFEST)):
        answer = storage.aws.s3.head_object(Bucket=storage.bucket, Key=name)
        assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", key)


def test_postgresqls_own_tools_restore_the_object(
    shoreline: Shoreline, execute: Execute, database: Database, storage: Storage
) -> None:
    execute(AWKWARD)
    made = shoreline("backup", "--json").json["result"]["backups"][0]["key"]
    copy = database.sibling(f"{database.name}_by_hand")
    copy.create()
    try:
        text = gzip.decompress(storage.read(made) or b"")
        command: list[str | Path] = [copy.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        subprocess.run(
            command, input=text, env=copy.connection.environment(), check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        before = fingerprint(database)
        assert fingerprint(copy, like=before) == before
    finally:
        copy.drop()


def test_the_job_stays_small_however_wide_a_row_is(
    execute: Execute, settings: dict[str, str], tmp_path: Path, storage: Storage
) -> None:
    execute("CREATE TABLE wide AS SELECT repeat(md5('x'), 1000000) AS value FROM generate_series(1, 3)")
    job = subprocess.Popen(
        [sys.executable, "-c", _PEAK],
        env={**settings, "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert int(output.split()[-1]) < 200_000
    manifest = next(item.key for item in storage.objects("") if item.key.endswith(MANIFEST))
    assert json.loads(storage.read(manifest) or b"")["fingerprint"]["tables"]["public.wide"]["rows"] == 3


_PEAK = """
import re, sys
from pathlib import Path
sys.argv = ["shoreline", "backup"]
from jobs.cli.main import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_a_moment_chooses_the_backup_that_was_the_newest_then(
    shoreline: Shoreline, execute: Execute, database: Database, later: Callable[[float], dict[str, str]]
) -> None:
    execute("CREATE TABLE t AS SELECT 1 AS id")
    first = shoreline("backup", "--json").json["result"]["backups"][0]["key"]
    execute("INSERT INTO t VALUES (2)")
    shoreline("backup", env=later(1))
    noon = f"{datetime.now(UTC) + timedelta(hours=12):%Y-%m-%dT%H:%M}"
    copy = database.sibling(f"{database.name}_then")
    try:
        chosen = shoreline("restore", "--before", noon, "--into", copy.name, "--json")
        assert chosen.json["result"]["key"] == first
        assert copy.scalar("SELECT count(*) FROM t") == 1
        latest = shoreline("restore", "--into", copy.name, "--replace", "--yes", "--json")
        assert latest.exit_code == 0, latest.errors
        assert copy.scalar("SELECT count(*) FROM t") == 2
        assert shoreline("restore", "--before", "2001-01-01", "--into", copy.name).exit_code == 12
    finally:
        copy.drop()
