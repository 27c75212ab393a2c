"""Profiles, projects and users do not get into each other's way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.project import Project, docker

STRANGER = 4321  # a user that no image has


def test_two_projects_side_by_side_share_nothing(here: Project, there: Project) -> None:
    mine, theirs = here.result("backup")["backups"][0], there.result("backup")["backups"][0]
    assert mine["url"].startswith("s3://shoreline-local/")
    assert theirs["url"].startswith("s3://their-bucket/")
    assert theirs["database"] == "theirs"
    assert here.job("backups", env={"BUCKET": "their-bucket"}).exit_code == 8


def test_the_aws_profile_starts_no_server_and_works_on_foreign_ones(
    make_project: Callable[..., Project], there: Project
) -> None:
    settings = {
        "AWS_ENDPOINT_URL": "http://store.example:4566",
        "BUCKET": "their-bucket",
        "PGHOST": "database.example",
        "PGDATABASE": "theirs",
    }
    away = make_project("away", profile="aws", **settings)
    alone = away.job("setup")
    assert alone.exit_code == 6
    assert "store.example" in alone.errors
    network = f"{away.name}_default"
    docker("network", "connect", "--alias", "store.example", network, there.container("localstack"))
    docker("network", "connect", "--alias", "database.example", network, there.container("postgres"))
    try:
        made = away.result("setup"), away.result("backup"), away.result("drill")
        assert made[2]["record"]["ok"] is True
        running = away.compose("ps", "--services").output.split()
        assert "postgres" not in running
        assert "localstack" not in running
    finally:
        for service in ("localstack", "postgres"):
            docker("network", "disconnect", network, there.container(service))


@pytest.mark.parametrize(
    ("profile", "endpoint"), [("aws", "http://localstack:4566"), ("localstack", ""), ("localstack", "http://elsewhere")]
)
def test_a_profile_refuses_the_endpoint_of_the_other(here: Project, profile: str, endpoint: str) -> None:
    crossed = Project(here.name, {**here.settings, "AWS_ENDPOINT_URL": endpoint}, profile)
    ended = crossed.job("setup")
    assert ended.exit_code == 2
    assert f"the profile {profile} is on" in ended.errors


def test_an_exported_aws_key_never_reaches_localstack(here: Project) -> None:
    exported = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "AWS_PROFILE": "production",
    }
    assert here.result("setup", env=exported)["account_id"] == "000000000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that belongs to a user who is neither root nor the image's, and that others may only read."""
    if os.geteuid() == 0:
        os.chown(tmp_path, STRANGER, STRANGER)
    for parent in tmp_path.parents:
        if parent.owner() == tmp_path.parent.owner() and parent.is_relative_to("/tmp") and parent != Path("/tmp"):  # noqa: S108
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    return tmp_path


def test_files_in_a_mounted_folder_belong_to_the_user_who_owns_it(here: Project, folder: Path) -> None:
    owner = folder.stat()
    env = {"SHORELINE_DATA": str(folder), "SHORELINE_UID": str(owner.st_uid), "SHORELINE_GID": str(owner.st_gid)}
    ended = here.job("generate", env=env)
    assert ended.exit_code == 0, ended.errors
    written = list((folder / "output").rglob("*.parquet"))
    assert written
    assert {file.stat().st_uid for file in written} == {owner.st_uid}


def test_a_mounted_folder_that_may_not_be_written_is_told_in_words(here: Project, folder: Path) -> None:
    stranger = {"SHORELINE_UID": "1999", "SHORELINE_GID": "1999", "SHORELINE_DATA": str(folder)}
    ended = here.job("generate", env=stranger)
    assert ended.exit_code not in (0, 1)
    assert "Traceback" not in ended.errors
    assert "/data" in ended.errors or "output" in ended.errors
