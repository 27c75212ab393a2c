"""A PostgreSQL server for one drill: started in a private folder, ended and removed after it, whatever happens."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services import formatting
from services.errors import FolderUnusable, ShorelineError, StackError
from services.local import sandbox
from services.local.installed import ServerPrograms
from services.local.locales import compile_locales
from services.local.postgres import SUPERUSER
from services.local.processes import ProcessIdentity, unprivileged
from services.postgres.client import MAINTENANCE, Connection

_PREFIX, _LOCK = "shoreline-drill-", "lock"
_START_SECONDS, _END_SECONDS, _POLL_SECONDS = 120, 60, 0.02
_SOCKET_PATH_BYTES = 107  # of Linux; macOS takes 103
_SOCKET = "/.s.PGSQL.5432"
_EMPTY_BYTES = 100 << 20  # a new server, with its first segments of the write-ahead log
_MAX_WAL_BYTES = 512 << 20
_FULL_BYTES = 16 << 20  # a server that finds no room for its log ends without an error to the client
_CONNECTIONS = 20
NAME_A_SERVER = "DRILL_HOST names a server to drill on instead (docs/backups.md, Drill)."
_MORE_ROOM = f"Set TMPDIR to a folder with more room. Or {NAME_A_SERVER}"

# Ends the server and removes its files as soon as nothing holds the other end of its input open any more: also when
# the job was killed. Each line of the input is the process that is to be ended, or empty when there is none.
_WATCHDOG = """
zombie() { read -r _ _ state _ <"/proc/$server/stat" && [ "$state" = Z ]; } 2>/dev/null
while read -r line; do server=$line; done
if [ -n "$server" ]; then
  kill -QUIT "$server" 2>/dev/null
  left=100
  while [ $left -gt 0 ] && kill -0 "$server" 2>/dev/null && ! zombie; do sleep 0.1; left=$((left - 1)); done
  kill -KILL "$server" 2>/dev/null
fi
rm -rf -- "$1"
"""

# What PostgreSQL says when the server lacks something, which says nothing about the backup.
_NO_ROOM = re.compile(r"No space left on device|could not extend file|Disk quota exceeded")
_LACKING = re.compile(
    r'collation "[^"]*" for encoding "[^"]*" does not exist|could not create locale|could not open collator'
    r'|could not access file "|could not load library|extension "[^"]*" is not available|ICU is not supported'
    r'|invalid value for parameter "default_tablespace"|is not supported by this build'
)


@dataclass(frozen=True)
class ThrowawayServer:
    """A running server. `lacks` turns an error that is the server's own fault into one that says so."""

    connection: Connection
    process: subprocess.Popen[bytes]
    folder: Path

    def lacks(self, error: ShorelineError) -> ShorelineError | None:
        """Return what this server lacked, as an error; None where the error is about the backup."""
        text = str(error)
        free = shutil.disk_usage(self.folder).free
        if _NO_ROOM.search(text) or free < _FULL_BYTES:
            return FolderUnusable(
                f"The throw-away server ran out of room in {self.folder.parent}: {formatting.size(free)} are free now.",
                next_step=_MORE_ROOM,
            )
        if found := _LACKING.search(text):
            line = next(line.strip() for line in text.splitlines() if found[0] in line)
            return StackError(f"The throw-away server lacks what the backup needs: {line}", next_step=NAME_A_SERVER)
        if self.ended():
            return StackError(
                f"The throw-away server ended in the middle of the drill:{_tail(self.folder)}",
                next_step=f"Give the job more memory (in containers JOB_MEMORY). Or {NAME_A_SERVER}",
            )
        return None

    def ended(self) -> bool:
        """Return whether the server ended, waiting a moment for one that is about to."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        return self.process.poll() is not None


@contextmanager
def throwaway_server(
    programs: ServerPrograms,
    parent: Path,
    *,
    database_bytes: int,
    objects: int,
    locales: Collection[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[ThrowawayServer]:
    """Start a server for a database of this size and number of objects, and remove it at the end.

    It listens on a Unix socket in a folder that only its user may enter, below `parent`. Raises FolderUnusable where
    there is no room, StackError when it does not start.
    """
    remove_leftovers(parent, say)
    _require_room(parent, database_bytes)
    with ExitStack() as stack:
        folder, lock = _private_folder(parent)
        stack.callback(lock.close)
        watchdog = stack.enter_context(_watchdog(folder, lock))
        identity = unprivileged(programs.folder / "postgres", folder)
        environment = _environment(folder, compile_locales(locales, folder / "locales"))
        _initialise(programs, identity, folder, objects, environment, lock)
        process = stack.enter_context(_running(programs, identity, folder, environment, lock, watchdog))
        yield ThrowawayServer(
            Connection(str(folder), 5432, SUPERUSER, MAINTENANCE, programs=programs.folder), process, folder
        )


def remove_leftovers(parent: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Remove the servers' folders below `parent` whose processes are all gone: a lock is held by those that are not."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                say(f"Removed {folder}: a killed drill left it.")


def _private_folder(parent: Path) -> tuple[Path, IO[str]]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise FolderUnusable(f"'{parent}': {error.strerror}.", next_step=_MORE_ROOM) from error
    if len(os.fsencode(folder)) + len(_SOCKET) > _SOCKET_PATH_BYTES:
        folder.rmdir()
        raise FolderUnusable(
            f"The path '{parent}' is too long for a Unix socket.", next_step="Set TMPDIR to a shorter one."
        )
    lock = (folder / f"new-{_LOCK}").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / f"new-{_LOCK}").rename(folder / _LOCK)  # locked from the moment that it can be found
    return folder, lock


def _require_room(parent: Path, database_bytes: int) -> None:
    needed = _EMPTY_BYTES + database_bytes + min(database_bytes, _MAX_WAL_BYTES)
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise FolderUnusable(
            f"The throw-away server needs {formatting.size(needed)} in {parent},"
            f" which has {formatting.size(free)} free.",
            next_step=_MORE_ROOM,
        )


@contextmanager
def _watchdog(folder: Path, lock: IO[str]) -> Iterator[IO[bytes]]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        pass_fds=[lock.fileno()],
    )
    assert process.stdin is not None  # noqa: S101
    try:
        yield process.stdin
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _initialise(
    programs: ServerPrograms,
    identity: ProcessIdentity,
    folder: Path,
    objects: int,
    environment: dict[str, str],
    lock: IO[str],
) -> None:
    data = folder / "data"
    data.mkdir(mode=0o700)
    identity.own(data)
    # template0 in the locale C: a database of any encoding, locale and provider can be made of it
    flags = f"--username={SUPERUSER} --encoding=UTF8 --locale=C --auth=trust --no-sync".split()
    made = identity.run(
        [programs.folder / "initdb", *flags, f"--pgdata={data}"], cwd="/", env=environment, pass_fds=[lock.fileno()]
    )
    if made.returncode != 0:
        raise StackError(
            f"The throw-away server could not be created:\n  {made.stderr.strip()}", next_step=NAME_A_SERVER
        )
    options = {
        "listen_addresses": "''",
        "unix_socket_directories": f"'{folder}'",
        "unix_socket_permissions": "0700",
        "max_connections": str(_CONNECTIONS),
        # a dump locks every table of the database at once; the locks of all connections are in one pool
        "max_locks_per_transaction": str(max(1024, objects // 10)),
        "max_wal_senders": "0",
        "wal_level": "minimal",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_wal_size": "'512MB'",
        "min_wal_size": "'32MB'",
        "checkpoint_timeout": "'30min'",
        "maintenance_work_mem": "'128MB'",
        "dynamic_shared_memory_type": "mmap",  # in its folder: /dev/shm of a container has 64 MB
        "max_logical_replication_workers": "0",
        "restart_after_crash": "off",
        "jit": "off",
        "lc_messages": "'C'",
        "log_min_messages": "fatal",  # values of rows stay out of its log
        "log_min_error_statement": "panic",
    }
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in options.items())


@contextmanager
def _running(
    programs: ServerPrograms,
    identity: ProcessIdentity,
    folder: Path,
    environment: dict[str, str],
    lock: IO[str],
    watchdog: IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    confined = [sys.executable, "-I", sandbox.__file__, folder, programs.folder]
    command = [*identity.prefix, *map(str, confined), str(programs.folder / "postgres"), "-D", str(folder / "data")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the job, which ends the server itself
            pass_fds=[lock.fileno()],
            user=identity.uid,
            group=identity.uid,
        )
    try:
        watchdog.write(f"{process.pid}\n".encode())
        watchdog.flush()
        _wait_until_ready(process, folder)
        yield process
    finally:
        process.send_signal(subprocess.signal.SIGQUIT)  # type: ignore[attr-defined]
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(BrokenPipeError):
            watchdog.write(b"\n")  # its number may be another process's from now on
            watchdog.flush()


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> None:
    limit = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < limit:
        with suppress(OSError):
            status = (
                (folder / "data" / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()[7:8]
            )
            if status and status[0].strip() == "ready":
                return
        time.sleep(_POLL_SECONDS)
    raise StackError(f"The throw-away server did not start:{_tail(folder)}", next_step=NAME_A_SERVER)


def _tail(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        return "".join(f"\n  {line}" for line in lines)
    return ""


def _environment(folder: Path, own_locales: bool) -> dict[str, str]:
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return environment | ({"LOCPATH": str(folder / "locales")} if own_locales else {})
