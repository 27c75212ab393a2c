"""What a job is given: its settings, and the adapters made of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
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


@dataclass(frozen=True)
class Run:
    """One run of one job. `started` is in UTC; `run_id` is in its log, its results and its S3 user agent."""

    job: str
    run_id: str
    started: datetime
    settings: Settings
    progress: Progress
    interactive: bool
    alarms: list[Alarm] = field(default_factory=list)  # what people are to hear of although the job succeeded
    commands: Callable[[str], str] = str  # writes the commands in a text as they are typed here
    evidence: dict[str, Any] = field(default_factory=dict)  # what the job proves besides, kept with its receipt

    def with_settings(self, **changes: object) -> Run:
        """The same run on other settings: what it asks of AWS is on the same account."""
        other = replace(self, settings=self.settings.model_copy(update=changes))
        other.__dict__["account"] = self.account
        return other

    @cached_property
    def aws(self) -> Aws:
        """The AWS account that the settings name."""
        from services.s3.client import Aws, AwsAccess

        given = self.settings
        secret, token = given.aws_secret_access_key, given.aws_session_token
        access = AwsAccess(
            region=given.aws_region,
            profile=given.aws_profile,
            endpoint_url=given.aws_endpoint_url,
            access_key_id=given.aws_access_key_id,
            secret_access_key=secret.get_secret_value() if secret else None,
            session_token=token.get_secret_value() if token else None,
            bucket_owner=given.aws_expected_account_id,
            request_checksums=given.aws_request_checksum_calculation,
            run_id=self.run_id,
            attempts=given.aws_max_attempts,
        )
        return Aws(access, self.account.attach)

    @cached_property
    def account(self) -> Account:
        """What this run asks of AWS: its meter, its budget and, at the end, its receipt."""
        from services.costs.account import Account
        from services.costs.bill import Biller
        from services.costs.budget import NEVER_STOPPED
        from services.costs.prices import load_prices

        given = self.settings
        return Account(
            Biller(load_prices(), given.aws_region, given.transfer_out),
            limit=given.max_run_cost_usd,
            enforced=self.job not in NEVER_STOPPED
            and (given.aws_endpoint_url is None or "max_run_cost_usd" in given.model_fields_set),
            billed=given.aws_endpoint_url is None,
        )

    @cached_property
    def storage(self) -> Storage:
        """The bucket."""
        from services.s3.objects import Storage

        return Storage(self.aws, self.settings.bucket, kms_key=self.settings.bucket_kms_key_id)

    @cached_property
    def database(self) -> Database:
        """The PostgreSQL database. Raises SettingsError when PGDATABASE names several."""
        from services.errors import SettingsError

        names = self.settings.database_names
        if len(names) > 1:
            raise SettingsError(
                f"PGDATABASE names {len(names)} databases, and {self.job} takes one.",
                next_step=f"Name one of them for this run: PGDATABASE={shlex.quote(names[0])}",
            )
        return self.database_named(names[0])

    @property
    def databases(self) -> list[Database]:
        """All databases that PGDATABASE names."""
        return [self.database_named(name) for name in self.settings.database_names]

    def database_named(self, name: str) -> Database:
        """Another database of the same server."""
        from services.postgres.client import Database

        return Database(replace(self._connection, database=name))

    @cached_property
    def _connection(self) -> Connection:
        from services.postgres.client import Database
        from services.postgres.connection import EXTRA_KEYWORDS, Connection

        given = self.settings
        addressed = given.pghostaddr is not None and "pghost" not in given.model_fields_set
        extra = {keyword: getattr(given, name.lower()) for name, keyword in EXTRA_KEYWORDS.items()}
        connection = Connection(
            host=given.pghostaddr or "" if addressed else given.pghost,
            hostaddr=given.pghostaddr,
            port=given.pgport,
            user=given.pguser,
            database=given.database_names[0],
            password=given.pgpassword.get_secret_value() if given.pgpassword else None,
            passfile=given.pgpassfile,
            sslmode=given.pgsslmode,
            sslrootcert=given.pgsslrootcert,
            programs=given.pg_bin,
            libpq=tuple((keyword, str(value)) for keyword, value in extra.items() if value is not None),
            lock_seconds=given.backup_lock_timeout,
        )
        if self.job in _RUNS_CLIENTS and (warning := Database(connection).client_warning()):
            from loguru import logger

            logger.warning("{}", warning)
        return connection
