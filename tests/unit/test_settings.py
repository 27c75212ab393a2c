"""Settings: every problem at once, by variable, and never a secret's value."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SettingsError
from services.settings import Settings, load, log_format
from services.settings.fields import addresses
from services.settings.load import secret_names


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name in ("AWS_DEFAULT_REGION", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.chdir(tmp_path)


def test_all_problems_are_told_at_once_by_variable() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"BUCKET": "My_Bucket", "BACKUP_KEEP_DAYS": "seven", "PGPORT": "70000", "PGSSLMODE": "maybe"})
    told = str(caught.value)
    assert "BUCKET            invalid bucket name 'My_Bucket'" in told
    assert "BACKUP_KEEP_DAYS  invalid value 'seven': expected a whole number" in told
    assert "PGPORT" in told
    assert "invalid value 'maybe': expected 'disable'" in told


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="BUCKET  is not set"):
        load()


def test_the_environment_goes_before_the_file_and_overrides_before_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("BUCKET=from-file\nPGUSER=from-file\nPGHOST=from-file\n")
    monkeypatch.setenv("PGUSER", "from-environment")
    monkeypatch.setenv("PGHOST", "from-environment")
    settings = load({"PGHOST": "from-override"}, defaults={"BUCKET": "from-default", "PGDATABASE": "from-default"})
    given = (settings.bucket, settings.pguser, settings.pghost, settings.pgdatabase)
    assert given == ("from-file", "from-environment", "from-override", "from-default")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "")
    assert load({"BUCKET": "abc"}).pgport == 5432


@pytest.mark.parametrize("name", secret_names())
def test_every_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    settings = load({"BUCKET": "abc", f"{name}_FILE": str(path)})
    assert getattr(settings, name.lower()).get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_secret_file_that_cannot_be_read_is_a_problem_not_an_unset_secret() -> None:
    with pytest.raises(SettingsError, match="PGPASSWORD_FILE  '/not/there' cannot be read: no such file"):
        load({"BUCKET": "abc", "PGPASSWORD_FILE": "/not/there"})


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    with pytest.raises(SettingsError, match="set only one") as caught:
        load({"BUCKET": "abc", "PGPASSWORD_FILE": str(path), "PGPASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"), [("10MB", 10_000_000), ("64MiB", 67_108_864), ("1.5 GB", 1_500_000_000), ("12", 12)]
)
def test_sizes_are_written_as_people_write_them(given: str, meant: int) -> None:
    assert load({"BUCKET": "abc", "SCAN_LIMIT_BYTES": given}).scan_limit_bytes == meant


@pytest.mark.parametrize("prefix", ["../up", "a//b", "/", "a/../b", "a b", ".hidden"])
def test_a_prefix_that_leads_elsewhere_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="invalid key prefix"):
        load({"BUCKET": "abc", "LAKE_PREFIX": prefix})


REGIONS = "[default]\nregion = eu-west-1\n[profile other]\nregion = eu-north-1\n[profile none]\noutput = json\n"


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3", "AWS_PROFILE": "other"}, "eu-west-2"),
        ({"AWS_DEFAULT_REGION": "eu-west-3", "AWS_PROFILE": "other"}, "eu-west-3"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "other"}, "eu-north-1"),
        ({"AWS_PROFILE": ""}, "eu-west-1"),
        ({"AWS_PROFILE": "none"}, "us-east-1"),
        ({"AWS_PROFILE": "not-there"}, "us-east-1"),
        ({"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_DEFAULT_REGION": "eu-west-3"}, "us-east-1"),
    ],
)
def test_the_region_is_the_variables_then_the_profiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], region: str
) -> None:
    (tmp_path / "aws-config").write_text(REGIONS)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert load({"BUCKET": "abc"}).aws_region == region


def test_without_files_of_aws_the_region_is_the_default() -> None:
    assert load({"BUCKET": "abc"}).aws_region == "us-east-1"


def test_the_root_certificates_are_a_file_or_libpqs_word_for_the_systems(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    Path(".env").write_text(f"BUCKET=abc\nPGSSLROOTCERT={tmp_path / 'ca.pem'}\n")
    assert load().pgsslrootcert == str(tmp_path / "ca.pem")
    assert load({"PGSSLROOTCERT": "system"}).pgsslrootcert == "system"
    with pytest.raises(SettingsError, match="PGSSLROOTCERT  file '/not/there'"):
        load({"PGSSLROOTCERT": "/not/there"})


def test_addresses_may_hold_commas_of_their_own() -> None:
    given = "mailto://u:p@x.org?to=a@x.org,b@x.org, json://x,slack://y  ntfy://z"
    assert addresses(given) == ("mailto://u:p@x.org?to=a@x.org,b@x.org", "json://x", "slack://y", "ntfy://z")


def test_a_number_beyond_its_limit_is_told_with_the_limit() -> None:
    with pytest.raises(SettingsError, match=r"BACKUP_KEEP_DAYS +invalid value '0': expected at least 1"):
        load({"BUCKET": "a-bucket", "BACKUP_KEEP_DAYS": "0"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AWS_ENDPOINT_URL", "http://", "invalid URL 'http://'"),
        ("AWS_ENDPOINT_URL", "http://localhost:99999", "invalid URL"),
        ("AWS_ENDPOINT_URL", "http://a b", "invalid URL"),
        ("AWS_ENDPOINT_URL", "localhost:4566", "invalid URL"),
        ("AWS_REGION", "us east", "invalid region 'us east'"),
        ("AWS_EXPECTED_ACCOUNT_ID", "12", "invalid account ID '12'"),
        ("BACKUP_LEASE_SECONDS", "inf", "'inf': expected at most 86400"),
        ("BACKUP_KEEP_DAYS", "99999999999", "expected at most 36500"),
        ("BACKUP_KEEP_WEEKLY", "99999999999", "expected at most"),
        ("BACKUP_MAX_AGE_HOURS", "99999999999", "expected at most"),
        ("SCHEDULE_GRACE", "99999999999", "expected at most"),
        ("LAKE_PREFIX", "backups/postgres/", "'backups/postgres' is also BACKUP_PREFIX"),
        ("ATHENA_RESULTS_PREFIX", "datalake", "'datalake' is also LAKE_PREFIX"),
    ],
)
def test_what_a_job_would_fall_over_later_is_told_at_once(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"BUCKET": "abc", name: value})
    assert f"\n  {name}  " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "auto", "garage"])
def test_a_region_of_any_store_is_taken(region: str) -> None:
    assert load({"BUCKET": "abc", "AWS_REGION": region}).aws_region == region


def test_a_password_in_the_endpoint_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="contains a user or a password") as caught:
        load({"BUCKET": "abc", "AWS_ENDPOINT_URL": "http://minio:hunter2@localhost:9000"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"BUCKET=abc\nPGPASSWORD hunter2\n", "Invalid line 2"),
        (b"\n\nBUCKET='hunter2\n", "Invalid line 3"),
        (b"PGPASSWORD=hunter2\xff\nBUCKET=abc\n", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_whole_is_refused_and_not_shown(text: bytes, told: str) -> None:
    Path(".env").write_bytes(text)
    with pytest.raises(SettingsError, match=told) as caught:
        load()
    assert "hunter2" not in str(caught.value)
    assert log_format() == "text"


@pytest.mark.parametrize("text", ["\ufeffexport BUCKET='abc'\r\n", 'BUCKET = "abc" # ours\n', "# none\n\nBUCKET=abc"])
def test_a_file_is_read_as_editors_and_shells_write_it(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")
    assert load().bucket == "abc"
