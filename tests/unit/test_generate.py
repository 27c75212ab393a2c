"""Generated rows are the same for the same seed, whoever draws them, and hang together."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from services.errors import InputError
from services.lake.generate import DEFAULT_DAYS, generate, known_tables
from services.lake.partitions import chosen_days
from services.lake.population import Population
from services.lake.tables import EVENTS, ORDERS

FRIDAY, SATURDAY = date(2025, 1, 10), date(2025, 1, 11)
POPULATION = Population(users=200, rows_per_day=4000, seed=1)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("lake")
    generate(output, POPULATION, ("orders", "events"), (FRIDAY, SATURDAY), workers=2)
    return output


def rows(lake: Path, table: str, day: int = 10) -> dict[str, Any]:
    return pq.read_table(lake / f"{table}/year=2025/month=01/day={day}/data.parquet", partitioning=None).to_pydict()


def test_same_seed_writes_same_bytes(lake: Path, tmp_path: Path) -> None:
    generate(tmp_path, POPULATION, ("events", "orders"), (SATURDAY, FRIDAY), workers=5)
    assert files(tmp_path) == files(lake)
    assert set(files(lake)) == {
        f"{table}/year=2025/month=01/day={day}/data.parquet" for table in ("orders", "events") for day in (10, 11)
    }


def test_different_seed_writes_different_rows(lake: Path, tmp_path: Path) -> None:
    generate(tmp_path, Population(users=200, rows_per_day=4000, seed=2), ("orders",), (FRIDAY,), workers=1)
    assert rows(tmp_path, "orders")["amount"] != rows(lake, "orders")["amount"]


def test_files_have_the_declared_columns_and_a_page_index(lake: Path) -> None:
    for table in (ORDERS, EVENTS):
        path = lake / table.name / "year=2025/month=01/day=10/data.parquet"
        assert pq.read_schema(path) == table.schema
        column = pq.read_metadata(path).row_group(0).column(0)
        assert column.compression == "ZSTD"
        assert column.has_column_index
        assert column.statistics is not None
        assert column.statistics.has_min_max


def test_every_user_exists_and_a_few_do_most(lake: Path) -> None:
    users = rows(lake, "orders")["user_id"] + rows(lake, "events")["user_id"]
    assert min(users) >= 1
    assert max(users) <= POPULATION.users
    busiest = sum(count for _, count in Counter(users).most_common(POPULATION.users // 10))
    assert 0.33 < busiest / len(users) < 0.47


def test_every_purchase_names_an_order_of_its_day(lake: Path) -> None:
    events, orders = rows(lake, "events"), set(rows(lake, "orders")["order_id"])
    bought = [
        json.loads(payload)["order_id"]
        for kind, payload in zip(events["event_type"], events["payload"], strict=True)
        if kind == "purchase"
    ]
    assert len(bought) > 100
    assert orders.issuperset(bought)


def test_payloads_are_json(lake: Path) -> None:
    assert all(isinstance(json.loads(text), dict) for text in rows(lake, "events")["payload"])


def test_generated_rows_are_sorted_within_their_day(lake: Path) -> None:
    times = rows(lake, "orders")["created_at"]
    assert times == sorted(times)
    assert times[0] >= datetime(2025, 1, 10, tzinfo=UTC)
    assert times[-1] < datetime(2025, 1, 11, tzinfo=UTC)
    by_hour = Counter(moment.hour for moment in times)
    assert by_hour[20] > 3 * by_hour[3]


def test_amounts_are_exact_cents(lake: Path) -> None:
    amounts = rows(lake, "orders")["amount"]
    assert all(isinstance(amount, Decimal) and amount.as_tuple().exponent == -2 and amount > 0 for amount in amounts)
    assert np.median([float(amount) for amount in amounts]) == pytest.approx(40, rel=0.2)


def test_a_week_has_its_rhythm_and_keeps_its_average() -> None:
    week = [date(2025, 1, 6 + number) for number in range(7)]
    counts = [POPULATION.rows("orders", day) for day in week]
    assert max(counts[5:]) < min(counts[:5])
    assert sum(counts) == pytest.approx(7 * POPULATION.rows_per_day, rel=0.01)


def test_ids_of_two_days_are_distinct(lake: Path) -> None:
    assert max(rows(lake, "orders")["order_id"]) < min(rows(lake, "orders", day=11)["order_id"])


def test_rewritten_day_replaces_existing_files(lake: Path, tmp_path: Path) -> None:
    folder = tmp_path / "orders/year=2025/month=01/day=10"
    folder.mkdir(parents=True)
    (folder / "data-3.parquet").write_bytes(b"of an older, larger day")
    (folder / ".data.parquet.partial").write_bytes(b"of a run that was killed")
    generate(tmp_path, POPULATION, ("orders",), (FRIDAY,), workers=1)
    assert [path.name for path in folder.iterdir()] == ["data.parquet"]


def test_days_come_from_list_span_or_default() -> None:
    assert chosen_days([], None, None, DEFAULT_DAYS) == DEFAULT_DAYS
    assert chosen_days(["2025-01-11, 2025-01-10", "2025-01-10"], None, None, ()) == (FRIDAY, SATURDAY)
    assert len(chosen_days([], "2024-02-01", "2024-03-01", ())) == 30
    assert chosen_days([], None, "2025-01-10", ()) == (FRIDAY,)


@pytest.mark.parametrize(
    ("listed", "first", "last"),
    [(["2025-02-30"], None, None), ([], "2025-01-02", "2025-01-01"), (["2025-01-01"], "2025-01-01", None)],
)
def test_invalid_days_are_refused(listed: list[str], first: str | None, last: str | None) -> None:
    with pytest.raises(InputError):
        chosen_days(listed, first, last, ())


def test_unknown_sample_table_is_refused() -> None:
    with pytest.raises(InputError, match="invoices"):
        known_tables("orders,invoices")
