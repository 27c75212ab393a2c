"""What the jobs that query the lake share: its catalog, its files, and the engine that answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from jobs.cli.context import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from services.errors import ShorelineError
    from services.lake.manifest import Unreadable
    from services.queries.answers import QueryPlan, Result
    from services.queries.ask import QueryFigures
    from services.queries.athena.engine import AthenaEngine
    from services.queries.catalog import LakeCatalog
    from services.queries.ddl import Statement
    from services.queries.engine import Engine, Prepared
    from services.queries.named import NamedQuery
    from services.queries.prediction import LakeFiles


@dataclass
class Queries:
    """Asks queries of the lake in the bucket. Closed as a context manager, the engine lets go of what it holds."""

    run: Run
    engine_name: str
    unreadable: dict[str, Unreadable] = field(default_factory=dict)  # tables whose manifest cannot be read

    def __enter__(self) -> Queries:
        return self

    def __exit__(self, *_: object) -> None:
        if "engine" in self.__dict__:
            self.engine.close()

    @cached_property
    def catalog(self) -> LakeCatalog:
        """The declared tables, those that were exported besides, and the views under sql/athena/views/."""
        from loguru import logger

        from services.lake.remote import RemoteLake
        from services.lake.tables import TABLES
        from services.queries.catalog import catalog_of
        from services.queries.manifest_tables import recorded_tables
        from services.queries.named import named_views

        declared = catalog_of(self.run.settings.athena_database, TABLES, named_views())
        lake = RemoteLake(self.run.storage, self.run.settings.lake_prefix)
        recorded, self.unreadable = recorded_tables(lake, besides=TABLES)
        for error in self.unreadable.values():
            logger.warning("left out: {}", error)
        return replace(declared, tables={**declared.tables, **recorded})

    @cached_property
    def lake(self) -> LakeFiles:
        """The lake's files in the bucket. Raises BucketMissing when there is none."""
        from services.queries.files import BucketFiles
        from services.queries.prediction import LakeFiles

        self.run.storage.require()
        return LakeFiles(BucketFiles(self.run.storage, self.run.settings.lake_prefix))

    @cached_property
    def engine(self) -> Engine:
        """The engine that answers."""
        if self.engine_name == "athena":
            return self.athena
        from services.queries.offline.engine import DuckDbEngine

        return DuckDbEngine(self.lake, timeout_seconds=self.run.settings.query_timeout_seconds)

    @cached_property
    def athena(self) -> AthenaEngine:
        """Athena, in the workgroup that the settings name."""
        from services.queries.athena.engine import AthenaEngine
        from services.queries.athena.workgroup import Workgroup

        given = self.run.settings
        results = self.run.storage.url(f"{given.athena_results_prefix}/")
        workgroup = Workgroup(given.athena_workgroup, results, given.scan_limit_bytes, given.bucket_kms_key_id)
        return AthenaEngine(self.run.aws, workgroup, given.athena_database, timeout_seconds=given.query_timeout_seconds)

    @cached_property
    def usd_per_byte(self) -> Decimal:
        """Athena's price of a scanned byte."""
        from services.costs.prices import ATHENA_TB

        return self.run.account.biller.price("athena.scan").each / ATHENA_TB

    def statements(self) -> list[Statement]:
        """The DDL of the tables and their partitions. Raises TableNotDeclarable."""
        from services.queries.ddl import statements

        mode = self.run.settings.athena_partitions
        address = self.run.storage.url(self.run.settings.lake_prefix)
        partitions = {}
        if mode == "alter":
            for name, table in self.catalog.tables.items():
                partitions[name] = sorted({file.values for file in self.lake.files_of(table)})
        return statements(self.catalog, address, mode, partitions)

    def make_tables(self) -> None:
        """Makes the tables, as the engine needs them."""
        self.engine.make_tables(self.statements())

    def prepare(self, query: NamedQuery) -> Prepared:
        """The query, held to its partitions, with its prediction."""
        from services.errors import QueryRefused
        from services.queries.ask import prepare

        try:
            return prepare(query.sql, self.catalog, self.lake)
        except QueryRefused:
            words = set(re.findall(r"\w+", query.sql.lower()))
            for table, error in self.unreadable.items():
                if table in words:
                    raise error from None
            raise

    def explain(self, query: NamedQuery) -> QueryPlan:
        """What a query would read and cost. Runs nothing, and tells a query over the limit as any other."""
        from services.queries.answers import plan
        from services.queries.ask import figures

        prepared = self.prepare(query)
        numbers = figures(prepared, prepared.prediction.bytes, self.usd_per_byte)
        return plan(query.name, self.engine_name, prepared, numbers)

    def ask(self, query: NamedQuery) -> Result:
        """The answer of a query within the limit."""
        from services.queries.answers import result
        from services.queries.ask import ask

        limit = self.run.settings.scan_limit_bytes
        prepared = self.prepare(query)
        prepared.prediction.check(limit, f"The query {query.name}" if query.answers else "The query")
        self._expect(query.name, prepared.prediction.bytes)
        asked = ask(prepared, self.engine, limit=limit, usd_per_byte=self.usd_per_byte)
        return result(query.name, query.answers, self.engine_name, asked)

    def _expect(self, name: str, size: int) -> None:
        """Holds what the query will cost against the run's limit. Raises BudgetExceeded."""
        from services.costs import predict

        reading = predict.query(size) if self.engine_name == "athena" else predict.download(size)
        self.run.account.expect(reading, f"The query {name}")


def unreadable(faults: Mapping[str, str], then: str = "upload") -> ShorelineError | None:
    """The failure of a run that had to leave out tables; each is named with its reason."""
    from services.errors import LakeError

    if not faults:
        return None
    return LakeError(
        "Tables were left out:" + "".join(f"\n  {name}: {why}" for name, why in faults.items()),
        next_step=f"Delete what cannot be read and run `shoreline {then}`; or use the Shoreline that wrote it.",
    )


def show_rows(found: Result, console: Console, most: int, rest: str) -> None:
    """Prints an answer as a table of at most so many rows; `rest` says what gives all."""
    from jobs.cli.console import print_table
    from services import formatting
    from services.queries.answers import numeric, text

    heads = list(found.columns)
    right = [name for name, kind in found.columns.items() if numeric(kind)]
    print_table(console, heads, [[text(value) for value in row] for row in found.rows[:most]], right)
    left = len(found.rows) - most
    more = f", of which {left:,} are not shown: {rest} gives all" if left > 0 else ""
    console.print(f"{formatting.count(len(found.rows), 'row')}{more}", soft_wrap=True)


def show_figures(numbers: QueryFigures, console: Console, *, ran: bool, estimated: bool) -> None:
    """Prints what was scanned, what that is billed, and what it would have been without the lake's two savings."""
    from services import formatting

    about = "about " if estimated else ""
    if ran:
        console.print(
            f"  scanned     {formatting.size(numbers.scanned):>9}   predicted {formatting.size(numbers.predicted)}"
        )
    else:
        console.print(f"  predicted   {formatting.size(numbers.predicted):>9}")
    console.print(
        f"  billed      {formatting.size(numbers.billed):>9}"
        f"   {formatting.money(numbers.cost)} on Athena, 10 MB at least"
    )
    console.print(
        f"  no filter   {formatting.size(numbers.unfiltered):>9}   {about}what the same columns take in all partitions"
    )
    console.print(
        f"  as CSV      {formatting.size(numbers.as_csv):>9}   about what would have to be read without Parquet"
    )
