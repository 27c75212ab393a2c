"""The five named queries' questions, asked of the rows with polars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

JANUARY = (date(2025, 1, 1), date(2025, 1, 31))
JAN_10 = (date(2025, 1, 10), date(2025, 1, 10))
Rows = list[dict[str, Any]]


def between(rows: pl.DataFrame, days: tuple[date, date]) -> pl.DataFrame:
    """The rows of these days by their own event time, whatever folder they lie in."""
    return rows.filter(pl.col("created_at").dt.date().is_between(*days))


def orders_of_a_day(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        between(rows, JAN_10)
        .sort("created_at", "order_id")
        .select("order_id", "user_id", "amount", "status", pl.col("created_at").dt.replace_time_zone(None))
    )


def revenue_by_status(rows: pl.DataFrame) -> pl.DataFrame:
    grouped = between(rows, JANUARY).group_by("status")
    made = grouped.agg(orders=pl.len(), revenue=pl.col("amount").sum())
    return made.sort(["revenue", "status"], descending=[True, False])


def event_types_of_a_day(rows: pl.DataFrame) -> pl.DataFrame:
    grouped = between(rows, JAN_10).group_by("event_type")
    made = grouped.agg(events=pl.len(), users=pl.col("user_id").n_unique())
    return made.sort(["events", "event_type"], descending=[True, False])


def top_spenders(rows: pl.DataFrame) -> pl.DataFrame:
    counted = between(rows, JANUARY).filter(~pl.col("status").is_in(["cancelled", "refunded"]))
    made = counted.group_by("user_id").agg(orders=pl.len(), spent=pl.col("amount").sum())
    return made.sort(["spent", "user_id"], descending=[True, False]).head(10)


def logins(rows: pl.DataFrame) -> pl.DataFrame:
    made = between(rows, JANUARY).filter(pl.col("event_type") == "login").group_by("user_id").agg(logins=pl.len())
    return made.sort(["logins", "user_id"], descending=[True, False])


QUESTIONS: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "01_orders_of_a_day": ("orders", orders_of_a_day),
    "02_revenue_by_status": ("orders", revenue_by_status),
    "03_event_types_of_a_day": ("events", event_types_of_a_day),
    "04_top_spenders": ("orders", top_spenders),
    "05_logins": ("events", logins),
}


def expected(name: str, folder: Path) -> Rows:
    """The answer of a named query over the lake in a folder."""
    table, question = QUESTIONS[name]
    rows = pl.concat([pl.read_parquet(path) for path in sorted((folder / table).rglob("*.parquet"))])
    return question(rows).to_dicts()
