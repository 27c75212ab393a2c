"""The image keeps botocore's description of every service that a job asks."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def kept() -> set[str]:
    found = re.search(r"^services='([^']*)'", (PROJECT / "docker" / "slim.sh").read_text(), re.MULTILINE)
    assert found is not None
    return set(found[1].split())


def asked(path: Path) -> set[str]:
    """The services that a module names in making a client, or asks by one of `Aws`'s own."""
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:_client|\.client|_pages)\((?:aws, )?\"([a-z0-9-]+)\"", text))
    return named | set(re.findall(r"aws\.(s3|sts|athena|glue|pricing)\b", text))


def test_the_image_keeps_every_service_that_the_audit_of_an_account_looks_into() -> None:
    services = asked(PROJECT / "services" / "safety" / "account.py")
    assert services >= {"rds", "ec2", "dms", "quicksight", "glue"}
    assert not services - kept()


def test_the_image_keeps_every_service_that_any_job_asks() -> None:
    services = {name for path in (PROJECT / "services").rglob("*.py") for name in asked(path)}
    assert services >= {"s3", "sts", "athena", "pricing"}
    assert not services - kept()
