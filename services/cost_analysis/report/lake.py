"""The section on what the lake costs."""

from __future__ import annotations

from decimal import Decimal

from services.cost_analysis.model.lake import (
    LakeScenario,
    QueryCost,
    break_even_queries,
    lake_monthly,
    query,
    questions,
)
from services.cost_analysis.model.managed import database_on_rds
from services.cost_analysis.report.charts import bar_chart
from services.cost_analysis.report.inputs import Inputs
from services.cost_analysis.report.text import figure, table, times, usd
from services.costs.prices import PriceMissing
from services.formatting import money as exact
from services.formatting import size

LAKE = LakeScenario(rows_a_day=1_000_000, days=365)
_MANY = 1_000
_PLACES = (
    "lake_table",
    "lake_saving",
    "floor",
    "small_one",
    "small_many",
    "small_times",
    "second_database",
    "break_even",
    "lake_queries_why",
    "lake_monthly",
)


def lake_values(inputs: Inputs) -> dict[str, str]:
    """The texts of the lake's section; where the region has no price of Athena's, each says which is missing."""
    known = {
        "lake_rows": figure(Decimal(LAKE.rows)),
        "lake_days": str(LAKE.days),
        "lake_rows_a_day": figure(Decimal(LAKE.rows_a_day)),
    }
    try:
        return {**known, **_priced(inputs)}
    except PriceMissing as error:
        return {**known, **dict.fromkeys(_PLACES, f"({str(error).rstrip('.')})")}


def lake_chart(inputs: Inputs) -> str | None:
    """Bars of one question's cost asked in every way; None where no price is known."""
    try:
        asked = questions(inputs.centre, LAKE)
    except PriceMissing:
        return None
    bars = [(cost.what, _all(cost), 0 if cost.what.startswith("CSV") else 1) for cost in asked]
    return bar_chart(f"One question over {figure(Decimal(LAKE.rows))} orders", "USD a query", bars)


def _priced(inputs: Inputs) -> dict[str, str]:
    where = inputs.centre
    asked = {cost.what: cost for cost in questions(where, LAKE)}
    dearest, cheapest = asked["CSV, no partitions"], asked["Parquet, one day, two columns"]
    a_day = Decimal(cheapest.scanned)
    one, many = query(where, "", a_day, files=1), query(where, "", a_day, files=_MANY)
    queries = inputs.figures.figure("lake_queries_a_month")
    return {
        "lake_table": _table(list(asked.values())),
        "lake_saving": times(_all(dearest), _all(cheapest)),
        "floor": exact(query(where, "", Decimal(1), files=0).usd),
        "small_one": f"{exact(one.get_requests_usd)} of requests a query",
        "small_many": exact(many.get_requests_usd),
        "small_times": times(many.get_requests_usd, many.usd),
        "second_database": usd(database_on_rds(where)),
        "break_even": figure(Decimal(f"{break_even_queries(where, LAKE, a_day):.3g}")),
        "lake_queries_why": queries.known_from,
        "lake_monthly": f"{usd(lake_monthly(where, LAKE, a_day, queries.value))} a month",
    }


def _table(asked: list[QueryCost]) -> str:
    rows = [
        [
            cost.what,
            size(cost.scanned),
            size(cost.billed),
            usd(cost.usd),
            usd(cost.get_requests_usd),
            usd(_all(cost) * 1000),
        ]
        for cost in asked
    ]
    return table(["the question over", "scanned", "billed", "scan", "S3 requests", "1,000 such queries"], rows)


def _all(cost: QueryCost) -> Decimal:
    return cost.usd + cost.get_requests_usd
