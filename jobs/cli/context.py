"""The context of a run: its settings, its account and the clients that they configure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from jobs.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.costs.account import Account
    from services.operations.events import Alarm
    from services.postgres.client import Connection, Database
    from services.s3.client import Aws
    from services.s3.objects import Storage
    from services.settings import Settings

_RUNS_CLIENTS = {"preflight", "backup", "restore", "drill", "export"}  # jobs that run PostgreSQL's programs


def open_account(job: str, settings: Settings) -> Account:
    """Return the account of a new run: its meter, its budget and, at the end, its receipt."""
    from services.costs.account import Account
    from services.costs.bill import Biller
    from services.costs.budget import NEVER_STOPPED
    from services.costs.prices import load_prices

    billed = settings.aws_endpoint_url is None
    return Account(
        Biller(load_prices(), settings.aws_region, settings.transfer_out),
        limit=settings.max_run_cost_usd,
        enforced=job not in NEVER_STOPPED and (billed or "max_run_cost_usd" in settings.model_fields_set),
        billed=billed,
    )


@dataclass(frozen=True)
class Run:
    """One run of one job."""

    job: str
    run_id: str  # in the log, the results and the S3 user agent
    started: datetime  # in UTC
    settings: Settings
    account: Account
    progress: Progress
    interactive: bool
    alarms: list[Alarm] = field(default_factory=list)  # notifications of a job that succeeded
    commands: Callable[[str], str] = str  # rewrites the commands in a text for this installation
    evidence: dict[str, Any] = field(default_factory=dict)  # stored with the receipt

    def with_settings(self, **changes: object) -> Run:
        """Return the same run on other settings, with the same meter, budget and receipt."""
        return replace(self, settings=self.settings.model_copy(update=changes))

    @cached_property
    def aws(self) -> Aws:
        """AWS, or the store at AWS_ENDPOINT_URL."""
        from services.s3.client import Aws, AwsAccess

        settings = self.settings
        secret, token = settings.aws_secret_access_key, settings.aws_session_token
        access = AwsAccess(
            region=settings.aws_region,
            profile=settings.aws_profile,
            endpoint_url=settings.aws_endpoint_url,
            access_key_id=settings.aws_access_key_id,
            secret_access_key=secret.get_secret_value() if secret else None,
            session_token=token.get_secret_value() if token else None,
            bucket_owner=settings.aws_expected_account_id,
            request_checksums=settings.aws_request_checksum_calculation,
            run_id=self.run_id,
            attempts=settings.aws_max_attempts,
        )
        return Aws(access, self.account.attach)

    @cached_property
    def storage(self) -> Storage:
        """The bucket."""
        from services.s3.objects import Storage

        return Storage(self.aws, self.settings.bucket, kms_key=self.settings.bucket_kms_key_id)

    @cached_property
    def database(self) -> Database:
        """The database that PGDATABASE names. Raises SettingsError when it names several."""
        from services.errors import SettingsError

        names = self.settings.database_names
        if len(names) > 1:
            raise SettingsError(
                f"PGDATABASE names {len(names)} databases, but {self.job} takes one.",
                next_step=f"Set one for this run: PGDATABASE={shlex.quote(names[0])}",
            )
        return self.database_named(names[0])

    @property
    def databases(self) -> list[Database]:
        """Every database that PGDATABASE names."""
        return [self.database_named(name) for name in self.settings.database_names]

    def database_named(self, name: str) -> Database:
        """Return another database of the same server."""
        from services.postgres.client import Database

        return Database(replace(self._connection, database=name))

    @cached_property
    def _connection(self) -> Connection:
        from services.postgres.client import Database
        from services.postgres.connection import EXTRA_KEYWORDS, Connection

        settings = self.settings
        addressed = settings.pghostaddr is not None and "pghost" not in settings.model_fields_set
        extra = {keyword: getattr(settings, name.lower()) for name, keyword in EXTRA_KEYWORDS.items()}
        connection = Connection(
            host=settings.pghostaddr or "" if addressed else settings.pghost,
            hostaddr=settings.pghostaddr,
            port=settings.pgport,
            user=settings.pguser,
            database=settings.database_names[0],
            password=settings.pgpassword.get_secret_value() if settings.pgpassword else None,
            passfile=settings.pgpassfile,
            sslmode=settings.pgsslmode,
            sslrootcert=settings.pgsslrootcert,
            programs=settings.pg_bin,
            libpq=tuple((keyword, str(value)) for keyword, value in extra.items() if value is not None),
            lock_seconds=settings.backup_lock_timeout,
        )
        if self.job in _RUNS_CLIENTS and (warning := Database(connection).client_warning()):
            _warn_once(warning)
        return connection


@cache
def _warn_once(warning: str) -> None:
    """Log a warning, once in this process however many connections lead to it."""
    from loguru import logger

    logger.warning("{}", warning)
