"""A misspelt setting is refused; another program's variable is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.errors import SettingsError
from services.settings import Settings, load
from services.settings.load import variables
from services.settings.names import misspelt
from tests.unit.test_env_example import COMPOSE, EXAMPLE, LISTED, READ_BY_COMPOSE

NAMES_OF_COMPOSE = READ_BY_COMPOSE | set(re.findall(r"^ +([A-Z][A-Z0-9_]+):", COMPOSE, re.MULTILINE))
FOREIGN = [
    "PATH",
    "HOME",
    "PWD",
    "LANG",
    "TERM",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PIP_CERT",
    "DJANGO_SECRET_KEY",
    "SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "PGDATA",
    "PG_MAJOR",
    "PG_VERSION",
    "PGTZ",
    "PGAPPNAME",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGHOSTADDR",
    "PGSERVICE",
    "PGOPTIONS",
    "PGCONNECT_TIMEOUT",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_RETRY_MODE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EXECUTION_ENV",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_SECURITY_TOKEN",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_SESSION_EXPIRATION",
    "AWS_STAND_IN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_DEFAULT_OUTPUT",
    "AWS_PAGER",
    "BACKUP_SERVICE_HOST",
    "BACKUP_SERVICE_PORT",
    "BACKUP_PORT",
    "BACKUP_PORT_5432_TCP",
    "BACKUP_PORT_5432_TCP_ADDR",
    "BACKUP_DIR",
    "LAKE_SERVICE_PORT_HTTP",
    "SHORELINE_TEST_STACK",
    "SHORELINE_PORT",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "POSTGRES_DB",
    "LOG_FILE",
    "COMPOSE_PROJECT_NAME",
    "COMPOSE_FILE",
    "DOCKER_HOST",
    "LOCALSTACK_AUTH_TOKEN",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "BUCKET_NAME",
]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("BACKUP_AGE_RECIPIENT", "BACKUP_AGE_RECIPIENTS"),
        ("BACKUP_KEEP_DAY", "BACKUP_KEEP_DAYS"),
        ("BACKUP_ENCRYPTION_RECIPIENTS", "BACKUP_AGE_RECIPIENTS"),
        ("PGPASWORD", "PGPASSWORD"),
        ("PGPASSWD", "PGPASSWORD"),
        ("PG_HOST", "PGHOST"),
        ("PGDATABSE", "PGDATABASE"),
        ("PGPASSWORD_FIL", "PGPASSWORD_FILE"),
        ("AWS_REGIN", "AWS_REGION"),
        ("AWS_EXPECTED_ACCOUNT", "AWS_EXPECTED_ACCOUNT_ID"),
        ("NOTIFY_URL", "NOTIFY_URLS"),
        ("NOTIFY_URL_FILE", "NOTIFY_URLS_FILE"),
        ("MAX_RUN_COST", "MAX_RUN_COST_USD"),
        ("LAKE_PREFFIX", "LAKE_PREFIX"),
        ("ATHENA_WORK_GROUP", "ATHENA_WORKGROUP"),
        ("DRILL_SCHEDULES", "DRILL_SCHEDULE"),
        ("SCHEDULE_TIME_ZONE", "SCHEDULE_TIMEZONE"),
        ("SHORELINE_UDI", "SHORELINE_UID"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_right_one(wrong: str, meant: str) -> None:
    refusal = {wrong: f"is not a setting: did you mean {meant}?"}
    assert misspelt(variables(), {}, {wrong: "x"}) == refusal
    if wrong not in {"BACKUP_ENCRYPTION_RECIPIENTS", "PG_HOST"}:  # in the environment, as likely another program's
        assert misspelt(variables(), {wrong: "x"}, {}) == refusal


@pytest.mark.parametrize(
    "wrong", ["BUKET", "SCAN_LIMIT", "LOG_LEVL", "METRICS_FIL", "JOB_MEMORI", "BACKUP_COMPRESSION"]
)
def test_the_file_is_read_more_strictly_than_the_environment(wrong: str) -> None:
    assert wrong in misspelt(variables(), {}, {wrong: "x"})
    assert misspelt(variables(), {wrong: "x"}, {}) == {}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_variable_of_another_program_is_passed_over(name: str) -> None:
    assert misspelt(variables(), {name: "x"}, {}) == {}


def test_a_file_of_another_program_is_no_problem() -> None:
    theirs = (
        "SECRET_KEY DATABASE_URL DEBUG REDIS_URL PORT HOST POSTGRES_USER DJANGO_SETTINGS_MODULE EMAIL_URL TZ NODE_ENV"
    )
    assert misspelt(variables(), {}, dict.fromkeys(theirs.split(), "x")) == {}


def test_every_name_of_the_example_and_of_compose_is_known() -> None:
    for names in (LISTED, NAMES_OF_COMPOSE, variables()):
        assert misspelt(variables(), dict.fromkeys(names, "x"), dict.fromkeys(names, "x")) == {}


def test_an_empty_variable_of_the_environment_is_no_problem() -> None:
    assert misspelt(variables(), {"BACKUP_AGE_RECIPIENT": ""}, {}) == {}


def test_the_whole_example_is_read_without_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    Path(".env").write_text(EXAMPLE.replace("PGPASSWORD_FILE=", "#"), encoding="utf-8")
    assert load().bucket == "shoreline-local"


def test_a_misspelt_setting_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("BUCKET=abc\nBACKUP_AGE_RECIPIENT=age1x\n")
    monkeypatch.setenv("PGPASWORD", "hunter2")
    with pytest.raises(SettingsError, match="BACKUP_AGE_RECIPIENTS") as caught:
        load()
    assert "did you mean PGPASSWORD" in str(caught.value)
    assert "hunter2" not in str(caught.value)
