"""Queries of the lake in the bucket: what the jobs `query`, `athena` and `tables` call."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from loguru import logger

from services.costs import predict as usage_of
from services.costs.prices import ATHENA_TB
from services.errors import QueryRefused
from services.lake.remote import RemoteLake
from services.lake.tables import TABLES
from services.queries.catalog import LakeCatalog, catalog_of
from services.queries.ddl import Statement, statements
from services.queries.files import BucketFiles
from services.queries.manifest_tables import recorded_tables
from services.queries.named import NamedQuery, named_views
from services.queries.prediction import LakeFiles, Prediction, predict
from services.queries.results import QueryPlan, QueryResult, plan, result

if TYPE_CHECKING:
    from services.costs.account import Account
    from services.lake.manifest import Unreadable
    from services.queries.athena.engine import AthenaEngine
    from services.queries.engine import Engine
    from services.s3.objects import Storage
    from services.settings import Settings


class Queries(ExitStack):
    """Answers queries of the lake. As a context manager, it closes the engine at its end."""

    def __init__(self, settings: Settings, storage: Storage, account: Account, engine: str | None = None) -> None:
        super().__init__()
        self.engine_name = engine or settings.query_engine
        self._settings = settings
        self._storage = storage
        self._account = account

    @cached_property
    def _recorded(self) -> tuple[LakeCatalog, dict[str, Unreadable]]:
        declared = catalog_of(self._settings.athena_database, TABLES, named_views())
        lake = RemoteLake(self._storage, self._settings.lake_prefix)
        recorded, unreadable = recorded_tables(lake, declared=TABLES)
        for error in unreadable.values():
            logger.warning("left out: {}", error)
        return replace(declared, tables={**declared.tables, **recorded}), unreadable

    @property
    def catalog(self) -> LakeCatalog:
        """The declared tables, the exported ones, and the views under sql/athena/views/."""
        return self._recorded[0]

    @property
    def unreadable(self) -> dict[str, Unreadable]:
        """The tables whose manifest cannot be read, with the reason."""
        return self._recorded[1]

    @cached_property
    def lake(self) -> LakeFiles:
        """The lake's files in the bucket. Raises BucketMissing."""
        self._storage.require()
        return LakeFiles(BucketFiles(self._storage, self._settings.lake_prefix))

    @cached_property
    def engine(self) -> Engine:
        """The engine that answers."""
        if self.engine_name == "athena":
            return self.athena
        from services.queries.offline.engine import DuckDbEngine  # lazy: Athena does not need DuckDB

        engine = DuckDbEngine(self.lake, timeout_seconds=self._settings.query_timeout_seconds)
        self.callback(engine.close)
        return engine

    @cached_property
    def athena(self) -> AthenaEngine:
        """Athena, in the workgroup that the settings name."""
        from services.queries.athena.engine import AthenaEngine
        from services.queries.athena.workgroup import Workgroup

        settings = self._settings
        results = self._storage.url(f"{settings.athena_results_prefix}/")
        limit, kms_key = settings.scan_limit_bytes, settings.bucket_kms_key_id
        workgroup = Workgroup(settings.athena_workgroup, results, limit, kms_key)
        return AthenaEngine(
            self._storage.aws, workgroup, settings.athena_database, timeout_seconds=settings.query_timeout_seconds
        )

    @property
    def _usd_per_byte(self) -> Decimal:
        """Athena's price of a scanned byte."""
        return self._account.biller.price("athena.scan").each / ATHENA_TB

    def statements(self) -> list[Statement]:
        """Return the DDL of the tables and their partitions. Raises TableNotDeclarable."""
        mode = self._settings.athena_partitions
        partitions = {}
        if mode == "alter":
            for name, table in self.catalog.tables.items():
                partitions[name] = sorted({file.values for file in self.lake.files_of(table)})
        return statements(self.catalog, self._storage.url(self._settings.lake_prefix), mode, partitions)

    def create_tables(self) -> None:
        """Create the tables, where the engine needs any."""
        self.engine.create_tables(self.statements())

    def check(self, query: NamedQuery) -> None:
        """Raise QueryRefused or QueryFailed if the engine would not run the query. Scans nothing."""
        self.engine.check(self._predict(query))

    def explain(self, query: NamedQuery) -> QueryPlan:
        """Return what a query would read and cost, over the scan limit or not. Runs nothing."""
        return plan(query, self.engine_name, self._predict(query), self._usd_per_byte)

    def execute(self, query: NamedQuery) -> QueryResult:
        """Return the answer of a query. Raises ScanTooLarge and BudgetExceeded before it runs."""
        prediction = self._predict(query)
        prediction.check(self._settings.scan_limit_bytes, f"The query {query.name}" if query.answers else "The query")
        usage = usage_of.query if self.engine_name == "athena" else usage_of.download
        self._account.expect(usage(prediction.bytes), f"The query {query.name}")
        answer = self.engine.run(prediction)
        return result(query, self.engine_name, prediction, answer, self._usd_per_byte)

    def _predict(self, query: NamedQuery) -> Prediction:
        try:
            return predict(query.sql, self.catalog, self.lake)
        except QueryRefused:
            words = set(re.findall(r"\w+", query.sql.lower()))
            for table, error in self.unreadable.items():
                if table in words:
                    raise error from None
            raise
