"""libpq's variables: read once, and the same for psycopg2 and for PostgreSQL's programs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from services.errors import BackupFailed, SettingsError
from services.postgres.client import Database, Version
from services.postgres.connection import EXTRA_KEYWORDS, Connection, Server, forget_ambient_settings
from services.postgres.process import Program
from services.postgres.waiting import DumpWatch, Limits
from services.settings import load

SHOP = Connection("db", 5432, "me", "shop")


@pytest.mark.parametrize(("variable", "keyword"), EXTRA_KEYWORDS.items())
def test_connection_and_programs_get_the_same_keyword(variable: str, keyword: str) -> None:
    given = replace(SHOP, libpq=((keyword, "x y"),))
    assert given.keywords()[keyword] == "x y"
    assert given.environment()[variable] == "x y"
    assert f"{keyword}='x y'" in given.conninfo()


def test_conninfo_quotes_values_and_holds_no_password() -> None:
    given = replace(SHOP, database="a'b \\ host=evil", password="hunter2")
    assert "dbname='a\\'b \\\\ host=evil'" in given.conninfo()
    assert "hunter2" not in given.conninfo()


def test_programs_ask_whether_silent_server_is_alive() -> None:
    assert "keepalives_idle=" in SHOP.conninfo()


def test_programs_go_to_server_that_was_reached() -> None:
    several = Connection("a,b", 5432, "me", "shop", libpq=(("target_session_attrs", "standby"),), servers={})
    several.remember(Server("b", "192.0.2.2"))
    sibling = replace(several, database="other")
    assert (sibling.environment()["PGHOST"], sibling.environment()["PGHOSTADDR"]) == ("b", "192.0.2.2")
    assert replace(several, host="c").server is None


def test_session_options_escape_all_white_space() -> None:
    given = replace(SHOP, options=("lc_monetary=C\t-c\tx=y\n",))
    assert "C\\\t-c\\\tx=y\\\n" in given.session_options()


def test_libpqs_variables_leave_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGHOSTADDR", "PGOPTIONS", "PGTZ", "PGCHANNELBINDING"):
        monkeypatch.setenv(name, "x")
    forget_ambient_settings()
    assert not {name for name in os.environ if name.startswith("PG") and os.environ[name] == "x"}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUCKET", "abc")
    monkeypatch.setenv("PGSERVICE", "shop")
    path = tmp_path / "services.conf"
    monkeypatch.setenv("PGSERVICEFILE", str(path))
    return path


def test_service_goes_before_environment(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service.write_text(
        "[other]\nhost=no\n[shop]\n# ours\nhost=db1\nport=5433\ndbname=a,b\nuser=me\npassword=hunter2\n"
        "channel_binding=require\nkeepalives=0\n[last]\nhost=no\n"
    )
    monkeypatch.setenv("PGHOST", "elsewhere")
    settings = load()
    assert (settings.pghost, settings.pgport, settings.pguser) == ("db1", 5433, "me")
    assert settings.database_names == ["a,b"]
    assert settings.pgchannelbinding == "require"
    assert settings.pgpassword is not None
    assert settings.pgpassword.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("text", "token"),
    [("[other]\nhost=x\n", "shop"), ("[shop]\nldap://hunter2\n", "ldap"), ("[shop]\nhots=x\n", "hots")],
)
def test_service_that_cannot_be_used_is_refused(service: Path, text: str, token: str) -> None:
    service.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load()
    assert token in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["PGOPTIONS", "PGREQUIRESSL", "PGMINPROTOCOLVERSION"])
def test_variable_that_would_be_ignored_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        load({"BUCKET": "abc"})


def test_server_of_our_own_ignores_libpqs_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"PGSERVICE": "shop", "PGHOSTADDR": "192.0.2.1", "PGREQUIREAUTH": "none"}.items():
        monkeypatch.setenv(name, value)
    settings = load({"BUCKET": "abc", "PGHOST": "127.0.0.1"})
    assert (settings.pghostaddr, settings.pgrequireauth) == (None, None)


def test_program_that_writes_nothing_ends_as_stalled() -> None:
    watch = DumpWatch(Database(SHOP), Limits(stall_seconds=1))
    env = {"PATH": os.environ["PATH"]}
    with (
        pytest.raises(BackupFailed) as caught,
        Program(["sh", "-c", "echo begun; exec sleep 60"], env, BackupFailed, writes=True) as program,
    ):
        list(program.blocks(watch.on_silence))
    assert "BACKUP_STALL_TIMEOUT" in caught.value.next_step


def test_watched_output_is_whole() -> None:
    with Program(["seq", "300000"], {"PATH": os.environ["PATH"]}, BackupFailed, writes=True) as program:
        assert b"".join(program.blocks(lambda _: None)).count(b"\n") == 300_000


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("ERROR:  out of shared memory\nHINT:  You might need to increase max_locks_per_transaction.", "max_locks"),
        ("pg_dump: error: query failed: ERROR:  permission denied for table t", "pg_read_all_data"),
        ("ERROR:  canceling statement due to conflict with recovery", "hot_standby_feedback"),
        ("ERROR:  invalid memory alloc request size 1258291203", "large objects"),
        ('ERROR:  query would be affected by row-level security policy for table "t"', "BYPASSRLS"),
    ],
)
def test_failed_program_names_what_helps(text: str, token: str) -> None:
    command = ["sh", "-c", 'printf "%s" "$TEXT" >&2; exit 1']
    env = {"PATH": os.environ["PATH"], "TEXT": text}
    with pytest.raises(BackupFailed) as caught, Program(command, env, BackupFailed, writes=True) as program:
        list(program.blocks())
    assert token in caught.value.next_step


@pytest.mark.parametrize(
    ("version", "known_hole"),
    [((18, 5), True), ((18, 6), False), ((17, 10), True), ((15, 20), False), ((13, 23), True), ((19, 0), False)],
)
def test_client_programs_with_known_hole_are_warned_of(
    version: tuple[int, int], known_hole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "client_version", lambda _: Version(*version))
    assert (Database(SHOP).client_warning() is not None) == known_hole


def test_libpq_that_does_not_know_keyword_refuses_it() -> None:
    given = replace(SHOP, libpq=(("no_such_keyword", "x"),))
    program = Database(SHOP).program("psql")
    done = subprocess.run([program, f"--dbname={given.conninfo()}"], capture_output=True, text=True, check=False)
    assert "no_such_keyword" in done.stderr
