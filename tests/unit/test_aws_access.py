"""Credentials that AWS gave are shown to AWS only."""

from __future__ import annotations

from typing import Any

import pytest

from services.aws import Aws, AwsAccess

REAL: dict[str, Any] = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalr", "session_token": "token"}


def credentials(access: AwsAccess) -> tuple[str, str, str | None]:
    found = Aws(access)._session.get_credentials()
    assert found is not None
    return found.access_key, found.secret_key, found.token


def test_an_exported_aws_key_is_not_shown_to_localstack() -> None:
    access = AwsAccess(region="us-east-1", endpoint_url="http://localstack:4566", **REAL)
    assert credentials(access) == ("test", "test", None)


def test_the_credential_chain_is_not_asked_for_an_endpoint_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", REAL["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", REAL["secret_access_key"])
    assert credentials(AwsAccess(region="us-east-1", endpoint_url="http://localhost:4566"))[0] == "test"


def test_a_profile_of_aws_is_not_asked_for_with_an_endpoint_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "that-is-not-here")
    access = AwsAccess(region="us-east-1", profile="that-is-not-here", endpoint_url="http://localstack:4566")
    assert credentials(access) == ("test", "test", None)


def test_another_stores_own_key_is_used_with_its_endpoint() -> None:
    access = AwsAccess("us-east-1", endpoint_url="https://minio.example.com", access_key_id="me", secret_access_key="x")
    assert credentials(access) == ("me", "x", None)


@pytest.mark.parametrize("endpoint", [None, "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"])
def test_aws_itself_is_shown_the_key(endpoint: str | None) -> None:
    access = AwsAccess(region="us-east-1", endpoint_url=endpoint, **REAL)
    assert credentials(access) == tuple(REAL.values())
