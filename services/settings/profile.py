"""Holds the settings against the profile that Compose has just started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

COMPOSE_FILE_OF_PROFILE = "COMPOSE_PROFILE_FILE"  # written by docker-compose.yml's profile-* services before each job
LOCALSTACK = "http://localstack:4566"  # as the jobs' containers see it


def clashes(environment: Mapping[str, str | None]) -> dict[str, str]:
    """What is wrong with the endpoint for the profile that is on, by variable.

    Compose tells no container which profile is on, so that `--profile aws` with an endpoint for `localstack` in .env
    would write a backup to LocalStack, and the other way round would clean up a real account. Outside Compose there
    is no profile, and nothing to say.
    """
    path = environment.get(COMPOSE_FILE_OF_PROFILE)
    if not path:
        return {}
    try:
        profile = Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return {}
    endpoint = environment.get("AWS_ENDPOINT_URL") or None
    local = urlsplit(endpoint or "").hostname == urlsplit(LOCALSTACK).hostname
    if profile == "aws" and local:
        return {
            "AWS_ENDPOINT_URL": "is LocalStack's, and the profile aws is on: "
            "take it out of .env (or put AWS_ENDPOINT_URL= before the command), or use COMPOSE_PROFILES=localstack"
        }
    if profile == "localstack" and not local:
        where = "AWS itself" if endpoint is None else repr(endpoint)
        return {
            "AWS_ENDPOINT_URL": f"means {where}, and the profile localstack is on: "
            f"set AWS_ENDPOINT_URL={LOCALSTACK}, or use COMPOSE_PROFILES=aws"
        }
    return {}
