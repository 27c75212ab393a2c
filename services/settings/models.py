"""Every setting, grouped by use. The upper-case name of a field is its environment variable."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.settings.fields import (
    AccountId,
    BucketName,
    ByteCount,
    CatalogName,
    CronExpression,
    DatabaseNames,
    Days,
    Endpoint,
    ExistingFile,
    KeyPrefix,
    NotifyEvents,
    Periods,
    Port,
    Positive,
    Recipients,
    RegionName,
    RootCertificates,
    TimeZone,
    Words,
    WorkgroupName,
    addresses,
    split_names,
)

_MAX_PARTS_PER_UPLOAD = 10_000  # of S3
TlsVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


class SettingsGroup(BaseModel):
    """A group of settings. Only `Settings` builds validators, when first used."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class DatabaseSettings(SettingsGroup):
    """PostgreSQL, under libpq's variable names."""

    pghost: str = "localhost"
    pghostaddr: str | None = None
    pgport: Port = 5432
    pguser: str = "postgres"
    pgpassword: SecretStr | None = None
    pgdatabase: DatabaseNames = "saas_platform"
    pgpassfile: ExistingFile | None = None
    pgsslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    pgsslrootcert: RootCertificates | None = None
    pgsslcert: ExistingFile | None = None
    pgsslkey: str | None = None
    pgsslcrl: ExistingFile | None = None
    pgsslcrldir: Path | None = None
    pgsslcertmode: Literal["disable", "allow", "require"] | None = None
    pgsslnegotiation: Literal["postgres", "direct"] | None = None
    pgsslminprotocolversion: TlsVersion | None = None
    pgsslmaxprotocolversion: TlsVersion | None = None
    pggssencmode: Literal["disable", "prefer", "require"] | None = None
    pgkrbsrvname: str | None = None
    pgchannelbinding: Literal["disable", "prefer", "require"] | None = None
    pgrequireauth: str | None = None
    pgrequirepeer: str | None = None
    pgtargetsessionattrs: Literal["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] | None = (
        None
    )
    pgloadbalancehosts: Literal["disable", "random"] | None = None
    pgservice: str | None = Field(None, description="an entry of the service file, which overrides the other variables")
    pgservicefile: ExistingFile | None = None
    pg_bin: Path | None = Field(None, description="folder of pg_dump and psql, if they are not on PATH")
    # The server for drills; if unset, each drill starts its own. Unset details are those of PostgreSQL above.
    drill_host: str | None = None
    drill_port: Port | None = None
    drill_user: str | None = None
    drill_password: SecretStr | None = None

    @property
    def database_names(self) -> list[str]:
        """The names in PGDATABASE, which may hold several."""
        return split_names(self.pgdatabase)


class StorageSettings(SettingsGroup):
    """The bucket and the AWS account, under AWS's variable names."""

    bucket: BucketName
    bucket_kms_key_id: str | None = None
    aws_region: RegionName = "us-east-1"
    aws_profile: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_endpoint_url: Endpoint | None = None
    aws_request_checksum_calculation: Literal["when_supported", "when_required"] = "when_supported"
    aws_max_attempts: Annotated[int, Field(ge=1, le=100)] = 7
    aws_expected_account_id: AccountId | None = None
    aws_allow_root: bool = False


class BackupSettings(SettingsGroup):
    """Backups: where they are stored, how, and how long."""

    backup_prefix: KeyPrefix = "backups/postgres"
    backup_keep_days: Days = 30
    backup_keep_min: Positive = 3
    backup_keep_daily: Periods = 0
    backup_keep_weekly: Periods = 0
    backup_keep_monthly: Periods = 0
    backup_format: Literal["plain", "custom"] = "plain"
    backup_globals: Literal["full", "no-passwords", "none"] = "full"
    backup_age_recipients: Recipients | None = None
    backup_age_identity: SecretStr | None = None
    backup_max_age_hours: Annotated[int, Field(ge=1, le=876_000)] = 26
    backup_lease_seconds: Annotated[float, Field(ge=2, le=86_400)] = 60
    backup_part_size: Annotated[ByteCount, Field(ge=5 << 20, le=5 << 30)] = 8 << 20
    backup_lock_timeout: Annotated[float, Field(ge=1, le=86_400, description="seconds")] = 60
    backup_stall_timeout: Annotated[float, Field(ge=1, le=86_400, description="seconds")] = 600
    backup_max_parts: Annotated[int, Field(ge=1, le=_MAX_PARTS_PER_UPLOAD)] = _MAX_PARTS_PER_UPLOAD


class LakeSettings(SettingsGroup):
    """The lake's files."""

    lake_prefix: KeyPrefix = "datalake"
    output_dir: Path = Path("output")


class QuerySettings(SettingsGroup):
    """Athena and the offline engine."""

    query_engine: Literal["duckdb", "athena"] = "duckdb"
    athena_database: CatalogName = "saas_datalake"
    athena_workgroup: WorkgroupName = "shoreline"
    athena_partitions: Literal["projection", "alter", "msck"] = "projection"
    athena_results_prefix: KeyPrefix = "athena-results"
    scan_limit_bytes: ByteCount = 10_000_000
    query_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 1800


class RunSettings(SettingsGroup):
    """Logging and the cost limit of a run."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    max_run_cost_usd: Annotated[Decimal, Field(ge=0)] = Decimal("0.01")
    transfer_out: Literal["internet", "region"] = "internet"
    receipts_dir: Path = Path("receipts")
    compose_profile_file: Path | None = None  # set by docker-compose.yml: see services.settings.load


class OperationsSettings(SettingsGroup):
    """Notifications, metrics and schedules."""

    watch_jobs: Words = ("backup", "restore", "drill", "prune", "export", "upload", "athena", "cleanup")
    notify_urls: SecretStr | None = Field(None, description="Apprise URLs, which hold tokens")
    notify_on: NotifyEvents = ("failure", "late", "shrank")
    ping_url: SecretStr | None = Field(None, description="as of healthchecks.io; {job} is replaced by the job")
    metrics_file: Path | None = None
    pushgateway_url: SecretStr | None = Field(None, description="may contain a user and a password")
    backup_schedule: CronExpression = "0 2 * * *"
    drill_schedule: CronExpression = "0 4 * * sun"
    lake_schedule: CronExpression = "off"
    schedule_timezone: TimeZone = "UTC"
    schedule_jitter: Annotated[int, Field(ge=0, le=86_400, description="seconds")] = 60
    schedule_grace: Annotated[int, Field(ge=1, le=31_536_000, description="seconds")] = 3600
    schedule_state: Path = Path("schedule.json")

    def notify_addresses(self) -> tuple[str, ...]:
        """The Apprise URLs of NOTIFY_URLS."""
        return () if self.notify_urls is None else addresses(self.notify_urls.get_secret_value())

    def ping_address(self, job: str) -> str | None:
        """Return the URL to ping for a job. Without {job} only backups ping it: a drill must not report for them."""
        if self.ping_url is None:
            return None
        url = self.ping_url.get_secret_value()
        if "{job}" in url:
            return url.replace("{job}", job)
        return url if job == "backup" else None


class Settings(
    DatabaseSettings, StorageSettings, BackupSettings, LakeSettings, QuerySettings, RunSettings, OperationsSettings
):
    """All settings. Created by `load`, which reports every problem in one message."""

    def secrets(self) -> set[str]:
        """Return the values that must never be shown."""
        values = (getattr(self, name) for name in type(self).model_fields)
        secrets = {value.get_secret_value() for value in values if isinstance(value, SecretStr) and value}
        return secrets.union(self.notify_addresses())
