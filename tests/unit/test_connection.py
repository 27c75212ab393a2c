"""What libpq is told of a connection, in this process and in PostgreSQL's own programs."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from services.errors import DatabaseUnreachable
from services.postgres.client import Connection, Database

VERIFIED = Connection("db.example.com", 5432, "me", "a", sslmode="verify-full", sslrootcert="/etc/ca.pem")


def test_the_programs_are_given_the_root_certificates_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "/of/the/shell.pem")
    assert VERIFIED.environment()["PGSSLROOTCERT"] == "/etc/ca.pem"
    assert "PGSSLROOTCERT" not in Connection("localhost", 5432, "me", "a").environment()


@pytest.mark.parametrize(
    ("told", "step"),
    [
        ('FATAL:  password authentication failed for user "postgres"', "PGPASSWORD"),
        ("fe_sendauth: no password supplied", "PGPASSWORD"),
        ("Connection refused", "PGPORT"),
        ('could not translate host name "db" to address: Name or service not known', "PGHOST"),
        ("server does not support SSL, but SSL was required", "PGSSLMODE"),
        ('FATAL:  database "shop" does not exist', "PGDATABASE"),
        ("FATAL:  Passwort-Authentifizierung fehlgeschlagen", "Check that the server"),
    ],
)
def test_a_connection_that_failed_says_what_to_look_at(monkeypatch: pytest.MonkeyPatch, told: str, step: str) -> None:
    def refuses(**_: object) -> None:
        raise psycopg2.OperationalError(told)

    monkeypatch.setattr("services.postgres.client.psycopg2.connect", refuses)
    with pytest.raises(DatabaseUnreachable) as caught:
        Database(Connection("db", 5432, "postgres", "shop")).exists()
    assert step in caught.value.next_step


def test_connections_are_given_the_root_certificates_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def connect(**options: Any) -> None:
        given.update(options)
        raise psycopg2.OperationalError("no server")

    monkeypatch.setattr(psycopg2, "connect", connect)
    with pytest.raises(DatabaseUnreachable):
        Database(VERIFIED).version()
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
