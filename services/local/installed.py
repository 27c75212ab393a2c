"""PostgreSQL servers that are installed on this machine: their programs, not what they hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.errors import StackError
from services.local.postgres import programs
from services.postgres.client import Version

_NEEDED = ("postgres", "initdb", "pg_dump", "psql", "pg_restore")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
# Where the packages of Debian, of PostgreSQL's own RPM repository and of Homebrew put the programs of each version.
_FOLDERS = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


@dataclass(frozen=True)
class ServerPrograms:
    """A folder with the programs of a server and its clients, all of one version."""

    folder: Path
    version: Version


def installed_servers(pg_bin: Path | None = None) -> list[ServerPrograms]:
    """Return the servers of this machine: of PG_BIN, of the embedded stack, of PATH, of the usual folders."""
    seen: dict[Path, ServerPrograms] = {}
    for folder in _candidates(pg_bin):
        real = folder.resolve()
        if real not in seen and (version := _version(real)) is not None:
            seen[real] = ServerPrograms(real, version)
    return list(seen.values())


def choose_server(servers: Iterable[ServerPrograms], major: int) -> ServerPrograms | None:
    """Return the server of this major version, or else of the next newer one; the first found of several."""
    return min(
        (each for each in servers if each.version.major >= major), key=lambda each: each.version.major, default=None
    )


def _candidates(pg_bin: Path | None) -> Iterator[Path]:
    if pg_bin is not None:
        yield pg_bin
    with suppress(StackError):  # a wheel and the image have no embedded stack
        yield programs()
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for root, pattern in _FOLDERS:
        yield from sorted(Path(root).glob(pattern))


def _version(folder: Path) -> Version | None:
    if not all((folder / name).is_file() for name in _NEEDED):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stdout)
    return Version(int(found[1]), int(found[2] or 0)) if found else None
