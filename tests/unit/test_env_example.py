"""`.env.example` and docker-compose.yml know every setting, and no setting that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from jobs.cli.main import JOBS
from services.settings import Settings
from services.settings.load import secret_names

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")
COMPOSE = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
LISTED = dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*?)(?: {2,}#.*)?$", EXAMPLE, re.MULTILINE))
SET_BY_COMPOSE = {"COMPOSE_PROFILE_FILE"}
SETTINGS = {name.upper() for name in Settings.model_fields} - SET_BY_COMPOSE
SECRETS = {f"{name}_FILE" for name in secret_names()}
READ_BY_COMPOSE = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", COMPOSE)) | {"COMPOSE_PROFILES"}
# The image decides these: its own pg_dump, and folders under its one writable volume.
FIXED_IN_THE_IMAGE = {"PG_BIN", "OUTPUT_DIR", "RECEIPTS_DIR", "SCHEDULE_STATE"}


def test_every_setting_is_in_the_example() -> None:
    assert not SETTINGS - set(LISTED)


def test_every_job_of_the_command_line_is_a_service() -> None:
    jobs = set(JOBS) - {"up", "down"}  # of the embedded stack
    missing = jobs - set(re.findall(r"^  ([a-z-]+):", COMPOSE, re.MULTILINE))
    assert not missing, f"docker-compose.yml has no service for {', '.join(sorted(missing))}: one line each"


def test_every_variable_of_compose_is_in_the_example() -> None:
    assert not READ_BY_COMPOSE - SECRETS - set(LISTED)


def test_the_example_lists_nothing_that_nobody_reads() -> None:
    assert not set(LISTED) - SETTINGS - SECRETS - READ_BY_COMPOSE


def test_containers_are_given_every_setting() -> None:
    passed = set(re.findall(r"^  ([A-Z][A-Z0-9_]*):", COMPOSE, re.MULTILINE))
    missing = (SETTINGS | SECRETS) - FIXED_IN_THE_IMAGE - passed
    assert not missing, f"docker-compose.yml does not pass on {', '.join(sorted(missing))}: see x-settings"


@pytest.mark.parametrize("name", sorted(SETTINGS & set(LISTED)))
def test_the_example_tells_the_true_default(name: str) -> None:
    field = Settings.model_fields[name.lower()]
    if field.default is PydanticUndefined or f"# {name}=" not in EXAMPLE or name in {"PGHOST", "QUERY_ENGINE"}:
        return
    if isinstance(field.default, tuple):
        assert LISTED[name] == ",".join(field.default)
    else:
        shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert LISTED[name] == ("" if field.default is None else shown)
