"""The connection service file and the variables of libpq."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_BY_KEYWORD = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslcertmode": "PGSSLCERTMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
# Keywords that Shoreline sets itself.
_OWN = {"application_name", "fallback_application_name", "client_encoding", "connect_timeout", "keepalives"}
_OWN |= {
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
}
_UNSUPPORTED = {
    "PGOPTIONS": "is not supported: Shoreline sets its own session options. Use ALTER ROLE ... SET instead",
    "PGSSLSNI": "is not supported",
    "PGSSLCOMPRESSION": "is not supported",
    "PGREQUIRESSL": "is not supported: set PGSSLMODE=require",
    "PGGSSLIB": "is not supported",
    "PGGSSDELEGATION": "is not supported",
    "PGMINPROTOCOLVERSION": "is not supported",
    "PGMAXPROTOCOLVERSION": "is not supported",
}


def unsupported(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables of libpq that are set but not supported, each with its problem."""
    return {name: text for name, text in _UNSUPPORTED.items() if environment.get(name)}


def service_settings(environment: Mapping[str, str | None]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of the service that PGSERVICE names, and the problems with it, both by variable.

    As in libpq, they override those of the environment. Source: libpq, "The Connection Service File".
    """
    name = environment.get("PGSERVICE")
    if not name:
        return {}, {}
    named = environment.get("PGSERVICEFILE")
    folder = environment.get("PGSYSCONFDIR")
    paths = [Path(named) if named else Path.home() / ".pg_service.conf"]
    paths += [Path(folder, "pg_service.conf")] if folder else []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            return {}, {"PGSERVICE": f"'{path}' cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"}
        if (entries := _section(lines, name)) is not None:
            return _by_variable(entries, path)
    return {}, {"PGSERVICE": f"'{name}' is not in {' or '.join(map(str, paths))}"}


def _section(lines: list[str], name: str) -> list[str] | None:
    """Return the lines of a service, or None if it is missing."""
    found: list[str] | None = None
    for line in map(str.strip, lines):
        if line.startswith("["):
            if found is not None:
                break
            found = [] if line == f"[{name}]" else None
        elif found is not None and line and not line.startswith("#"):
            found.append(line)
    return found


def _by_variable(entries: list[str], path: Path) -> tuple[dict[str, str], dict[str, str]]:
    found: dict[str, str] = {}
    for entry in entries:
        keyword, equals, value = entry.partition("=")
        if keyword in _OWN:
            continue
        if not equals or keyword not in _BY_KEYWORD:  # never the value, which may be a password
            return {}, {"PGSERVICE": f"'{path}' has the keyword '{keyword.split(':')[0]}', which is not supported"}
        quoted = value.replace('"', '""')
        found.setdefault(_BY_KEYWORD[keyword], f'"{quoted}"' if keyword == "dbname" else value)
    return found, {}
