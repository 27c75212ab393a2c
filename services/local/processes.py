"""Running PostgreSQL, which refuses to run as root, whoever starts it."""

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
    """A TCP port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ProcessIdentity:
    """Who a server runs as: `prefix` goes before its commands, `uid` owns its files (None: whoever we are)."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def run(self, command: Sequence[object], **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, its output captured as text."""
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
        """Hands an empty folder over to the identity."""
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)


def unprivileged(program: Path, folder: Path) -> ProcessIdentity:
    """An identity that is not root and can run `program` and reach `folder`.

    An ordinary user is one already. Root becomes 'nobody' where nobody may read the project, or else an
    ordinary user of a user namespace of its own. Raises StackError when neither is possible.
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
