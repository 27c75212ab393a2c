"""The image keeps botocore's description of every service that a job asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from services.errors import StorageError
from services.iam.audit import look_at_account
from services.iam.grants import ROLES
from services.s3.client import Aws

PROJECT = Path(__file__).resolve().parents[2]
NOT_ASKED_BY_A_JOB = {"kms"}  # S3 asks it, with the caller's rights


class Recorder:
    """Stands in for an account: keeps the names of the services, and answers nothing."""

    account_id = "123456789012"

    def __init__(self) -> None:
        self.services: set[str] = set()

    def client(self, service: str) -> Any:
        """Record the service."""
        self.services.add(service)
        raise StorageError("not answered")

    @property
    def glue(self) -> Any:
        """Record the service."""
        return self.client("glue")


def kept() -> set[str]:
    found = re.search(r"^services='([^']*)'", (PROJECT / "docker" / "slim.sh").read_text(), re.MULTILINE)
    assert found is not None
    return set(found[1].split())


def test_image_keeps_every_service_of_the_account_audit() -> None:
    account = Recorder()
    look_at_account(cast("Aws", account))
    assert account.services >= {"rds", "ec2", "dms", "quicksight", "glue"}
    assert account.services <= kept()


def test_image_keeps_every_service_that_policies_name() -> None:
    named = {action.partition(":")[0] for role in ROLES.values() for action in role.actions}
    assert named - NOT_ASKED_BY_A_JOB <= kept()


def test_image_keeps_the_services_that_need_no_policy() -> None:
    assert {"sts", "pricing", "sso", "sso-oidc"} <= kept()
