"""Runs PostgreSQL, which refuses to run as root, under a suitable user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import StackError

_NOBODY = 65534


def free_port() -> int:
    """Return a free TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ProcessIdentity:
    """The user that a server runs as."""

    prefix: tuple[str, ...] = ()  # precedes its commands
    uid: int | None = None  # owns its files; None for the current user

    def run(self, command: Sequence[object], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command and capture its output as text."""
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.uid, "extra_groups": []}
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            check=False,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def own(self, folder: Path) -> None:
        """Make the identity the owner of an empty folder."""
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)


def unprivileged(program: Path, folder: Path) -> ProcessIdentity:
    """Return an identity other than root that can run `program` and access `folder`.

    An ordinary user stays as it is. Root becomes 'nobody' if 'nobody' may read the project, or else an ordinary
    user in a user namespace. Raises StackError if neither is possible.
    """
    if os.geteuid() != 0:
        return ProcessIdentity()
    candidates = [ProcessIdentity(uid=_NOBODY)]
    if shutil.which("unshare"):
        candidates.append(ProcessIdentity(prefix=("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")))
    for identity in candidates:
        try:
            reached = identity.run(["/bin/sh", "-c", 'cd "$0" && "$1" --version', folder, program], cwd="/")
        except (OSError, subprocess.SubprocessError):
            continue
        if reached.returncode == 0:
            return identity
    raise StackError(
        "PostgreSQL does not run as root, and no other user may read this folder.",
        next_step="Run as an ordinary user, or move the project to a folder that others may read.",
    )
