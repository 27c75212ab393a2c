"""Neither profile of Compose can leak into the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SettingsError
from services.settings import load

LOCAL, ELSEWHERE = "http://localstack:4566", "https://minio.example.com"


def try_load(profile: str | None, endpoint: str, folder: Path) -> str:
    """What the settings object to, or an empty text."""
    file = folder / "profile"
    if profile:
        file.write_text(f"{profile}\n")
    given = {"BUCKET": "some-bucket", "COMPOSE_PROFILE_FILE": str(file)}
    if endpoint:
        given["AWS_ENDPOINT_URL"] = endpoint
    try:
        load(given, dotenv=folder / ".env")
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("profile", "endpoint"), [("aws", LOCAL), ("localstack", ""), ("localstack", ELSEWHERE)])
def test_an_endpoint_of_the_other_profile_is_refused(profile: str, endpoint: str, tmp_path: Path) -> None:
    assert f"the profile {profile} is on" in try_load(profile, endpoint, tmp_path)


@pytest.mark.parametrize(("profile", "endpoint"), [("aws", ""), ("aws", ELSEWHERE), ("localstack", LOCAL)])
def test_an_endpoint_of_the_profile_is_taken(profile: str, endpoint: str, tmp_path: Path) -> None:
    assert try_load(profile, endpoint, tmp_path) == ""


@pytest.mark.parametrize("endpoint", ["", LOCAL, ELSEWHERE])
def test_outside_compose_any_endpoint_is_taken(endpoint: str, tmp_path: Path) -> None:
    assert try_load(None, endpoint, tmp_path) == ""
