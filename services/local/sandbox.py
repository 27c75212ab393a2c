"""Confines a process to its own folder, by Landlock: `python sandbox.py FOLDER PROGRAMS COMMAND ...` becomes COMMAND.

Code in a backup runs in the throw-away server as a superuser of that server, so as the user of the job. In here it
reads no file but the server's programs and libraries, writes into FOLDER only, runs no other program, opens no TCP
connection, and sees nothing of other processes. It imports nothing of Shoreline: it runs as a script of its own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

# Source: linux/landlock.h; the numbers of the system calls are the same on all architectures.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ABI_QUESTION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_NO_NEW_PRIVILEGES = 38
# The rights over files, and the size of the structure of rules, that each version of the interface knows.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_FROM, _SCOPES_FROM = 4, 6
_READ = _READ_FILE | _READ_DIR
_LIBRARIES = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/nix/store", "/usr/share", "/usr/local/share",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
    "/var/cache/postgresql", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
_LOADERS = ("/lib64", "/lib", "/usr/lib64", "/usr/lib")  # the dynamic loader is executed with each program


def sandbox_version() -> int:
    """Return the version of Landlock's interface in this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ABI_QUESTION))))


def confines_network(version: int) -> bool:
    """Return whether this version of the interface can refuse TCP connections."""
    return version >= _NETWORK_FROM


def confine(folder: str, programs: str) -> None:
    """Confine this process and all that it starts, where there is Landlock. Raises OSError when the kernel refuses."""
    version = sandbox_version()
    if version == 0:
        return
    everything = (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1
    fields = [everything]
    if version >= _NETWORK_FROM:
        fields.append(0b11)  # bind and connect, neither of which is allowed to any port
    if version >= _SCOPES_FROM:
        fields.append(0b11)  # abstract sockets and signals stay among the confined
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    libc = _libc()
    rules = _checked(libc.syscall(_CREATE, attributes, ctypes.c_size_t(ctypes.sizeof(attributes)), ctypes.c_uint32(0)))
    prefix = str(Path(programs).parent)
    for path, rights in _rules(folder, prefix, programs, everything):
        with suppress(FileNotFoundError):
            _allow(libc, rules, path, rights)
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0)))
    os.close(rules)


def _rules(folder: str, prefix: str, programs: str, everything: int) -> Iterator[tuple[str, int]]:
    yield folder, everything & ~_EXECUTE
    yield "/dev/null", _READ_FILE | _WRITE_FILE
    yield prefix, _READ
    yield programs, _READ | _EXECUTE
    yield from ((path, _READ) for path in _LIBRARIES)
    yield from ((str(path), _READ) for path in Path(programs).parents[2].glob("*.libs"))  # beside a wheel's package
    yield from ((path, _EXECUTE) for path in _loaders())


def _loaders() -> Iterable[str]:
    for folder in _LOADERS:
        with suppress(OSError):
            for entry in os.scandir(folder):
                if entry.name.startswith("ld-"):
                    yield entry.path
                elif entry.name.endswith("-linux-gnu") or entry.name.endswith("-linux-musl"):
                    yield from (inner.path for inner in os.scandir(entry.path) if inner.name.startswith("ld-"))


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not Path(path).is_dir():
            rights &= ~_READ_DIR & ((1 << 3) - 1)
        rule = rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        _checked(libc.syscall(_ADD, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    confine(sys.argv[1], sys.argv[2])
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606
