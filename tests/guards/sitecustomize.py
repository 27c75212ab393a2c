"""Python imports this before a program begins, when this folder is first on PYTHONPATH: no socket leaves the machine.

Each address that is not of the loopback interface is written to SOCKET_GUARD_LOG and refused. Every socket of Python's
passes here, also those of libraries; programs in C do not (PostgreSQL's are told PGHOST).
"""

import ipaddress
import os
import sys
from pathlib import Path

_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in _EVENTS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path is a socket of this machine
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if not _is_local(host):
        with Path(os.environ["SOCKET_GUARD_LOG"]).open("a") as log:
            log.write(f"{event} {host!r}\n")
        message = f"the socket guard refuses {host!r}"
        raise PermissionError(message)


sys.addaudithook(_guard)
