"""The throw-away server of a drill: confined, private, and gone after it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from services.errors import FolderUnusable, RestoreFailed, StackError
from services.local import sandbox, throwaway
from services.local.installed import ServerPrograms, choose_server, installed_servers
from services.local.throwaway import ThrowawayServer, remove_leftovers, throwaway_server
from services.postgres.client import Database, Version
from tests.command_line import FORKS

start = partial(throwaway_server, database_bytes=1 << 20, objects=10)


@pytest.fixture(scope="module")
def programs() -> ServerPrograms:
    return installed_servers()[0]


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder of the test's own, with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def server(programs: ServerPrograms) -> Iterator[ThrowawayServer]:
    with (
        tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder,
        start(programs, Path(folder)) as running,
    ):
        yield running


def gone(folder: Path) -> bool:
    """Wait until nothing is left in the folder."""
    limit = time.monotonic() + 60
    while any(folder.iterdir()) and time.monotonic() < limit:
        time.sleep(0.05)
    return not any(folder.iterdir())


@pytest.mark.skipif(not sandbox.confines_network(sandbox.sandbox_version()), reason="needs Linux 6.7 or newer")
@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("COPY (SELECT 1) TO PROGRAM 'id'", "could not execute"),
        ("SELECT pg_read_file('/proc/self/environ')", "Permission denied"),
        ("SELECT pg_read_file('/etc/hosts')", "Permission denied"),
        ("COPY (SELECT 1) TO '/tmp/written'", "Permission denied"),
    ],
)
def test_superuser_of_throwaway_server_stays_in_its_folder(
    server: ThrowawayServer, statement: str, refusal: str
) -> None:
    with pytest.raises(Exception, match=refusal):
        Database(server.connection).scalar(statement)


@pytest.mark.skipif(not sandbox.confines_network(sandbox.sandbox_version()), reason="needs Linux 6.7 or newer")
def test_confined_process_opens_no_tcp_connection(server: ThrowawayServer) -> None:
    """By a subscription, whose worker connects from the server's own process."""
    database = Database(server.connection)
    with pytest.raises(Exception, match="Permission denied"), database.connect(autocommit=True) as connection:
        connection.cursor().execute("CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p")


def test_throwaway_server_listens_on_its_socket_only(server: ThrowawayServer) -> None:
    database = Database(server.connection)
    assert database.scalar("SHOW listen_addresses") == ""
    assert server.folder.stat().st_mode & 0o777 == 0o700
    assert database.scalar("SHOW data_directory") == str(server.folder / "data")


@pytest.mark.parametrize(
    "clauses",
    [
        "ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'WIN1252' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'SQL_ASCII' LC_COLLATE 'POSIX' LC_CTYPE 'POSIX'",
        "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
    ],
)
def test_throwaway_server_takes_databases_of_any_encoding(server: ThrowawayServer, clauses: str) -> None:
    with Database(server.connection).connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE encoded TEMPLATE template0 {clauses}")
        cursor.execute("DROP DATABASE encoded")


@pytest.mark.skipif(
    shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_CH").is_file(),
    reason="needs localedef and the sources of locales",
)
def test_throwaway_server_compiles_locale_that_machine_lacks(programs: ServerPrograms, parent: Path) -> None:
    with start(programs, parent, locales=["de_CH.ISO-8859-1"]) as server:
        with Database(server.connection).connect(autocommit=True) as connection, connection.cursor() as cursor:
            locale = "LC_COLLATE 'de_CH.iso88591' LC_CTYPE 'de_CH.ISO-8859-1'"
            cursor.execute(f"CREATE DATABASE swiss TEMPLATE template0 ENCODING 'LATIN1' {locale}")
        assert Database(server.connection).sibling("swiss").scalar("SELECT 'ä' < 'b'") is True


def test_two_throwaway_servers_run_side_by_side(programs: ServerPrograms, parent: Path) -> None:
    with start(programs, parent) as one, start(programs, parent) as other:
        assert Database(one.connection).scalar("SELECT 1") == Database(other.connection).scalar("SELECT 1")
        assert one.folder != other.folder
    assert gone(parent)


def die(programs: ServerPrograms, parent: Path, step: str) -> None:
    """Start a server, and be killed before `step`, or once it runs; run in a process of its own."""
    if step:
        setattr(throwaway, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with start(programs, parent):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", ["", "_initialise"])
def test_killed_job_leaves_no_server_and_no_files(programs: ServerPrograms, parent: Path, step: str) -> None:
    process = FORKS.Process(target=die, args=(programs, parent, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert gone(parent)


def test_leftovers_are_removed_unless_a_process_holds_them(parent: Path) -> None:
    dead, live, foreign = (parent / f"shoreline-drill-{name}" for name in ("dead", "live", "foreign"))
    for folder in (dead, live, foreign):
        folder.mkdir()
    (dead / "lock").touch()
    told: list[str] = []
    with (live / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers(parent, told.append)
    assert (dead.exists(), live.exists(), foreign.exists()) == (False, True, True)
    assert [str(dead) in each for each in told] == [True]


def test_too_little_room_is_said_with_both_sizes(programs: ServerPrograms, parent: Path) -> None:
    with (
        pytest.raises(FolderUnusable, match=r"needs .* in /tmp/t-.*, which has .* free"),
        throwaway_server(programs, parent, database_bytes=1 << 50, objects=1),
    ):
        pass
    assert gone(parent)


def test_errors_of_the_server_say_nothing_about_the_backup(server: ThrowawayServer) -> None:
    full = RestoreFailed('psql failed\n  ERROR:  could not extend file "base/1/2": No space left on device')
    lacking = RestoreFailed('psql failed\n  ERROR:  collation "pg_catalog.de_DE" for encoding "UTF8" does not exist')
    assert isinstance(server.lacks(full), FolderUnusable)
    assert "de_DE" in str(server.lacks(lacking))
    assert server.lacks(RestoreFailed('ERROR:  relation "t" does not exist')) is None


def test_server_that_ended_is_not_the_backups_fault(programs: ServerPrograms, parent: Path) -> None:
    with start(programs, parent) as server:
        server.process.kill()
        assert isinstance(server.lacks(RestoreFailed("server closed the connection unexpectedly")), StackError)
    assert gone(parent)


def test_server_of_same_major_is_chosen_before_newer_ones() -> None:
    found = [ServerPrograms(Path(str(major)), Version(major, 1)) for major in (18, 15, 17)]
    chosen: Callable[[int], ServerPrograms | None] = lambda major: choose_server(found, major)  # noqa: E731
    assert [each and each.version.major for each in map(chosen, (15, 16, 18, 19))] == [15, 17, 18, None]
