"""Credentials that AWS gave are shown to AWS only, and what AWS refuses is told by its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.errors import CredentialsRefused
from services.s3.client import Aws, AwsAccess, translate_errors

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


@pytest.mark.parametrize("service", ["s3", "sts", "athena"])
def test_no_other_variable_or_profile_line_sends_credentials_elsewhere(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = https://evil.example\nservices = theirs\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", "https://evil.example")
    assert ".amazonaws.com" in Aws(AwsAccess(region="eu-west-1", **REAL)).client(service).meta.endpoint_url


def test_the_role_of_a_profile_is_asked_of_aws_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://evil.example")
    session = Aws(AwsAccess(region="eu-west-1", **REAL))._session._session
    assert ".amazonaws.com" in session.create_client("sts", region_name="eu-west-1").meta.endpoint_url


def test_the_endpoint_of_the_settings_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://evil.example")
    access = AwsAccess(region="us-east-1", endpoint_url="http://localstack:4566")
    assert Aws(access).client("s3").meta.endpoint_url == "http://localstack:4566"


def test_an_empty_aws_profile_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", REAL["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", REAL["secret_access_key"])
    assert credentials(AwsAccess(region="us-east-1"))[0] == REAL["access_key_id"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z"),
    ],
)
def test_a_clock_that_is_wrong_is_not_taken_for_wrong_credentials(code: str, message: str) -> None:
    with pytest.raises(CredentialsRefused, match="this machine's clock is wrong") as caught, translate_errors():
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetCallerIdentity")
    assert "Set the clock" in caught.value.next_step
