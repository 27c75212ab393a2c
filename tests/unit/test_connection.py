"""What libpq is told of a connection, in this process and in PostgreSQL's own programs."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from services.database import Connection, Database
from services.errors import DatabaseUnreachable

VERIFIED = Connection("db.example.com", 5432, "me", "a", sslmode="verify-full", sslrootcert="/etc/ca.pem")


def test_the_programs_are_given_the_root_certificates_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "/of/the/shell.pem")
    assert VERIFIED.environment()["PGSSLROOTCERT"] == "/etc/ca.pem"
    assert "PGSSLROOTCERT" not in Connection("localhost", 5432, "me", "a").environment()


def test_connections_are_given_the_root_certificates_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def connect(**options: Any) -> None:
        given.update(options)
        raise psycopg2.OperationalError("no server")

    monkeypatch.setattr(psycopg2, "connect", connect)
    with pytest.raises(DatabaseUnreachable):
        Database(VERIFIED).version()
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
