"""What the lake costs: storage, and Athena by what a query reads."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.cost_analysis.model.lines import MonthlyAmount, price, total
from services.cost_analysis.model.managed import database_on_rds
from services.cost_analysis.model.scenario import Scenario
from services.costs.bill import STANDARD, athena_billed_bytes
from services.costs.prices import ATHENA_TB, GB


@dataclass(frozen=True)
class LakeScenario:
    """A table of so many rows a day for so many days, in files of about one size."""

    rows_a_day: int
    days: int
    files_a_day: int = 1

    @property
    def rows(self) -> int:
        """All rows."""
        return self.rows_a_day * self.days


@dataclass(frozen=True)
class QueryCost:
    """One question asked of the lake in one way: bytes scanned and billed, and dollars."""

    what: str
    scanned: int
    billed: int
    usd: Decimal
    get_requests_usd: Decimal


def query(scenario: Scenario, what: str, scanned: Decimal, files: int) -> QueryCost:
    """A query that reads `scanned` bytes of `files` files, each with two GETs of Athena's: footer and data."""
    billed = athena_billed_bytes(int(scanned), statement_type="DML", state="SUCCEEDED")
    lines = price(scenario, [MonthlyAmount("scan", "athena.scan", Decimal(billed) / ATHENA_TB)])
    gets = price(scenario, [MonthlyAmount("GETs", f"s3.get.{STANDARD}", Decimal(2 * files))])
    return QueryCost(what, int(scanned), billed, total(lines), total(gets))


def questions(scenario: Scenario, lake: LakeScenario) -> list[QueryCost]:
    """One question, revenue by status, asked in every way: format, columns, days."""
    figures = scenario.figures
    parquet, csv = figures["parquet_bytes_a_row"], figures["csv_bytes_a_row"]
    packed, share = figures["csv_gzip_bytes_a_row"], figures["columns_read_share"]
    month, per_day = min(lake.days, 31), lake.files_a_day
    everything = lake.days * per_day
    return [
        query(scenario, "CSV, no partitions", csv * lake.rows, everything),
        query(scenario, "CSV, gzipped, no partitions", packed * lake.rows, everything),
        query(scenario, "Parquet, no partitions, every column", parquet * lake.rows, everything),
        query(scenario, "Parquet, no partitions, two columns", parquet * share * lake.rows, everything),
        query(scenario, "Parquet, one month, two columns", parquet * share * lake.rows_a_day * month, month * per_day),
        query(scenario, "CSV, one day", csv * lake.rows_a_day, per_day),
        query(scenario, "Parquet, one day, two columns", parquet * share * lake.rows_a_day, per_day),
    ]


def lake_monthly(scenario: Scenario, lake: LakeScenario, scanned_a_query: Decimal, queries: Decimal) -> Decimal:
    """Dollars a month: the Parquet in Standard, and so many queries of one kind."""
    stored = scenario.figures["parquet_bytes_a_row"] * lake.rows
    one = query(scenario, "", scanned_a_query, lake.files_a_day)
    storage = price(scenario, [MonthlyAmount("storage", f"s3.storage.{STANDARD}", stored / GB)])
    return total(storage) + queries * (one.usd + one.get_requests_usd)


def break_even_queries(scenario: Scenario, lake: LakeScenario, scanned_a_query: Decimal) -> Decimal:
    """Queries a month at which the lake costs as much as a second database of the scenario's size.

    (database - storage) / cost of a query; 0 where the lake's storage alone costs more.
    """
    one = query(scenario, "", scanned_a_query, lake.files_a_day)
    storage = lake_monthly(scenario, lake, Decimal(0), Decimal(0))
    return max(Decimal(0), database_on_rds(scenario) - storage) / (one.usd + one.get_requests_usd)
