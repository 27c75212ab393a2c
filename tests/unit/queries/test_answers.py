"""Whole queries over a lake in a folder: right answers, counted bytes, and clear failures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import QueryFailed
from services.queries.catalog import LakeCatalog, TableSchema
from services.queries.engine import ResultTooLarge
from services.queries.files import FileChanged, FolderFiles
from services.queries.footers import FileDamaged
from services.queries.named import NamedQuery, named_queries
from services.queries.offline.engine import DuckDbEngine
from services.queries.offline.filesystem import covered
from services.queries.prediction import LakeFiles, ScanTooLarge, predict
from services.queries.results import QueryResult, figures, result
from services.queries.row_formats import encode, text
from tests.unit.queries.lake import KEYS, LAKE
from tests.unit.queries.offline import answer, offline
from tests.unit.queries.questions import QUESTIONS, expected

DAY = Path("orders/year=2025/month=01/day=10")
USD = Decimal(5) / 10**12


def report(sql: str, engine: DuckDbEngine, catalog: LakeCatalog = LAKE) -> QueryResult:
    prediction = predict(sql, catalog, engine.lake)
    return result(NamedQuery("query", "", sql), "duckdb", prediction, engine.run(prediction), USD)


@pytest.fixture(scope="module")
def engine(sample: Path) -> Iterator[DuckDbEngine]:
    with offline(sample) as made:
        yield made


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
def test_a_named_query_answers_as_polars_does_over_the_same_rows(
    query: NamedQuery, engine: DuckDbEngine, sample: Path
) -> None:
    rows = answer(engine, query.sql).rows.to_pylist()
    assert rows == expected(query.name, sample)
    assert rows


def test_a_real_has_the_digits_that_athena_writes(tmp_path: Path) -> None:
    day = tmp_path / "readings/year=2025/month=01/day=10"
    day.mkdir(parents=True)
    pq.write_table(pa.table({"freight": pa.array([84.93, None], pa.float32())}), day / "data.parquet")
    catalog = LakeCatalog("lake", {"readings": TableSchema("readings", {"freight": "float"}, KEYS)})
    sql = "SELECT freight FROM readings WHERE year = 2025 AND month = 1"
    with offline(tmp_path, catalog) as made:
        answered = report(sql, made, catalog)
    assert [[text(value) for value in row] for row in answered.rows] == [["84.93"], ["NULL"]]
    assert json.loads(encode(answered.columns, answered.rows, "json"))[0] == {"freight": 84.93}


def test_every_named_query_has_its_question_in_polars() -> None:
    assert [query.name for query in named_queries()] == list(QUESTIONS)


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
def test_a_named_query_scans_kilobytes_and_exactly_what_was_predicted(query: NamedQuery, engine: DuckDbEngine) -> None:
    answered = report(query.sql, engine)
    assert answered.figures.scanned == answered.figures.predicted
    assert 0 < answered.figures.scanned < 100_000
    assert answered.figures.scanned < answered.figures.unfiltered < answered.figures.as_csv
    assert (answered.figures.billed, answered.figures.cost) == (10_000_000, Decimal("0.00005"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(amount) AS n FROM o UNION ALL SELECT max(amount) FROM o",
        "SELECT count(*) AS n FROM o a JOIN o b ON a.user_id = b.user_id WHERE a.amount > b.amount",
    ],
)
def test_a_cte_that_is_read_twice_is_scanned_twice_as_athena_does(sql: str, engine: DuckDbEngine) -> None:
    whole = f"WITH o AS (SELECT * FROM orders WHERE year = 2025 AND month = 1) {sql}"
    answered = report(whole, engine)
    assert answered.figures.scanned == answered.figures.predicted > 0


@pytest.mark.parametrize(
    "sql",
    [
        """SELECT 1 AS n FROM (SELECT trim(event_type) AS unread FROM events e WHERE day = 10 AND (e.user_id <= month
           OR 10.00 = (SELECT max(o.amount) FROM orders o WHERE o.day = 10 AND o.user_id = e.event_id)
           OR e.event_id > 0)) t""",
        """SELECT count(*) AS n FROM (SELECT length(g.status) AS m FROM (SELECT count(DISTINCT order_id) AS unread,
           status, user_id FROM orders WHERE day = 12 GROUP BY status, user_id) g) t
           RIGHT JOIN orders o ON t.m = o.order_id WHERE o.day = 10""",
        """WITH o AS (SELECT user_id, rank() OVER (ORDER BY created_at) AS unread FROM orders WHERE day = 10)
           SELECT user_id FROM o
           WHERE EXISTS (SELECT max(payload) FROM events WHERE day = 10 AND user_id = o.user_id)""",
    ],
    ids=["a correlated subquery", "an aggregate", "a window"],
)
def test_what_nothing_reads_is_not_scanned(sql: str, engine: DuckDbEngine) -> None:
    answered = report(sql, engine)
    assert answered.rows
    assert answered.figures.scanned <= answered.figures.predicted


@pytest.mark.parametrize(
    ("ranges", "times", "expected"),
    [
        ([(4, 10), (14, 6)], 1, 16),
        ([(4, 10), (8, 10)], 1, 14),
        ([(4, 10), (8, 10)], 2, 20),
        ([(0, 5), (0, 5), (0, 5)], 2, 10),
        ([], 1, 0),
    ],
)
def test_a_byte_counts_once_for_each_scan_however_often_threads_read_it(
    ranges: list[tuple[int, int]], times: int, expected: int
) -> None:
    assert covered(ranges, times) == expected


@pytest.mark.parametrize("condition", ["day = CAST(10 AS bigint)", "day + 0 = 10", "month * 100 + day = 110"])
def test_a_window_sees_only_the_rows_that_where_leaves(condition: str, engine: DuckDbEngine) -> None:
    plain = answer(engine, f"SELECT count(*) AS n FROM orders WHERE year = 2025 AND {condition}").rows.to_pylist()
    over = "SELECT DISTINCT count(*) OVER (PARTITION BY year) AS n FROM orders WHERE year = 2025"
    assert answer(engine, f"{over} AND {condition}").rows.to_pylist() == plain


def test_row_groups_without_a_null_are_not_read_for_one(engine: DuckDbEngine) -> None:
    sql = "SELECT order_id, count(*) AS n FROM orders WHERE day = 10 AND created_at IS NULL GROUP BY ROLLUP (order_id)"
    answered = report(sql, engine)
    assert answered.figures.scanned == answered.figures.predicted == 0


def test_a_scan_is_billed_rounded_up_to_the_megabyte(engine: DuckDbEngine) -> None:
    prediction = predict("SELECT count(*) FROM orders WHERE month = 1", LAKE, engine.lake)
    assert figures(prediction, 10_000_001, USD).billed == 11_000_000
    assert figures(prediction, 11_000_000, USD).cost == Decimal("0.000055")


def test_query_over_the_limit_is_refused(engine: DuckDbEngine) -> None:
    with pytest.raises(ScanTooLarge):
        predict(named_queries()[0].sql, LAKE, engine.lake).check(100)


def test_joins_subqueries_ctes_and_views_answer_as_polars_does(engine: DuckDbEngine, sample: Path) -> None:
    sql = """
        WITH spent AS (SELECT user_id, sum(amount) AS total FROM january_orders GROUP BY user_id),
             active AS (SELECT user_id, count(*) AS events FROM events WHERE year = 2025 AND month = 1 GROUP BY user_id)
        SELECT s.user_id, s.total, coalesce(a.events, 0) AS events
        FROM spent s LEFT JOIN active a ON a.user_id = s.user_id
        WHERE s.total > (SELECT avg(amount) FROM orders WHERE year = 2025 AND month = 1)
          AND EXISTS (SELECT 1 FROM orders o WHERE o.user_id = s.user_id AND o.year = 2025 AND o.month = 2)
        ORDER BY s.user_id
    """
    read = {table: pl.read_parquet(sorted((sample / table).rglob("*.parquet"))) for table in ("orders", "events")}
    month = pl.col("created_at").dt.month()
    january, february = read["orders"].filter(month == 1), read["orders"].filter(month == 2)
    mean = (january["amount"].cast(pl.Float64).sum() / january.height).__round__(2)
    spent = january.group_by("user_id").agg(total=pl.col("amount").sum())
    active = read["events"].filter(month == 1).group_by("user_id").agg(events=pl.len().cast(pl.Int64))
    made = (
        spent.join(active, on="user_id", how="left")
        .filter(pl.col("total").cast(pl.Float64) > mean, pl.col("user_id").is_in(february["user_id"].implode()))
        .with_columns(pl.col("events").fill_null(0))
        .sort("user_id")
        .select("user_id", "total", "events")
    )
    assert made.height > 5
    assert answer(engine, sql).rows.to_pylist() == made.to_dicts()


def test_the_event_time_is_compared_in_utc_without_a_zone(engine: DuckDbEngine, sample: Path) -> None:
    sql = (
        "SELECT count(*) AS n, max(created_at) AS last FROM orders WHERE year = 2025 AND month = 1 AND day = 10 "
        "AND created_at >= TIMESTAMP '2025-01-10 06:00:00' AND created_at < TIMESTAMP '2025-01-10 18:00:00.000'"
    )
    rows = pl.read_parquet(sample / DAY / "data.parquet")
    kept = rows.filter(pl.col("created_at").dt.hour().is_between(6, 17))
    found = answer(engine, sql).rows.to_pylist()[0]
    latest = kept["created_at"].max()
    assert found["n"] == kept.height > 0
    assert found["last"].isoformat() == str(latest).removesuffix("+00:00").replace(" ", "T")


def test_a_missing_partition_and_an_empty_table_have_no_rows(engine: DuckDbEngine, tmp_path: Path) -> None:
    missing = answer(engine, "SELECT * FROM orders WHERE year = 2025 AND month = 1 AND day = 13")
    assert (missing.rows.num_rows, missing.scanned) == (0, 0)
    assert missing.rows.column_names == list(LAKE.tables["orders"].names)
    with offline(tmp_path) as empty:
        found = answer(empty, "SELECT count(*) AS n, sum(amount) AS s FROM orders WHERE year = 2025")
        assert (found.rows.to_pylist(), found.scanned) == ([{"n": 0, "s": None}], 0)


def test_a_partition_out_of_the_projections_range_has_no_rows_as_on_athena(sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    (tmp_path / "orders/year=2025").rename(tmp_path / "orders/year=2019")
    with offline(tmp_path) as engine:
        assert answer(engine, "SELECT * FROM orders WHERE month = 1").rows.num_rows == 0


def test_a_column_that_some_files_lack_is_null_there(sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    path = tmp_path / DAY / "data.parquet"
    table = pq.ParquetFile(path).read()
    pq.write_table(table.drop_columns(["status"]), path)
    counts = "SELECT day, count(*) AS n, count(status) AS s FROM orders"
    sql = f"{counts} WHERE year = 2025 AND month = 1 GROUP BY day ORDER BY 1"
    with offline(tmp_path) as engine:
        first, *others = answer(engine, sql).rows.to_pylist()
        assert (first["n"], first["s"]) == (table.num_rows, 0)
        assert all(row["n"] == row["s"] > 0 for row in others)
        alone = "SELECT count(status) AS s FROM orders WHERE year = 2025 AND month = 1 AND day = 10"
        assert answer(engine, alone).rows.to_pylist() == [{"s": 0}]


def test_columns_in_another_order_are_found_by_name(sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    path = tmp_path / DAY / "data.parquet"
    table = pq.ParquetFile(path).read()
    pq.write_table(table.select(table.column_names[::-1]), path)
    query = named_queries()[1]
    with offline(tmp_path) as engine:
        assert answer(engine, query.sql).rows.to_pylist() == expected(query.name, sample)


def test_damage_in_the_data_itself_is_told_as_such(sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    path = tmp_path / DAY / "data.parquet"
    chunk = pq.read_metadata(path).row_group(0).column(2)
    body = bytearray(path.read_bytes())
    body[chunk.data_page_offset : chunk.data_page_offset + chunk.total_compressed_size] = os.urandom(
        chunk.total_compressed_size
    )
    path.write_bytes(body)
    with offline(tmp_path) as engine, pytest.raises(FileDamaged) as failure:
        answer(engine, "SELECT sum(amount) FROM orders WHERE year = 2025 AND month = 1")
    assert str(path) in str(failure.value)


def test_a_file_that_vanishes_between_prediction_and_query_is_told(tmp_path: Path) -> None:
    rows = pa.table({"order_id": pa.array(range(50_000), pa.int64())})
    path = tmp_path / DAY / "data.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(rows, path, compression="none", use_dictionary=False)
    with offline(tmp_path) as engine:
        prediction = predict("SELECT sum(order_id) FROM orders WHERE month = 1", LAKE, engine.lake)
        path.unlink()
        with pytest.raises(FileChanged, match="replaced or removed"):
            engine.run(prediction)


def test_a_file_that_was_replaced_meanwhile_is_not_read_as_the_old_one(sample: Path, tmp_path: Path) -> None:
    rows = pa.table({"order_id": pa.array(range(50_000), pa.int64())})
    path = tmp_path / DAY / "data.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(rows, path, compression="none", use_dictionary=False)
    with offline(tmp_path) as engine:
        prediction = predict("SELECT sum(order_id) FROM orders WHERE month = 1", LAKE, engine.lake)
        os.utime(path, ns=(1, 1))
        with pytest.raises(FileChanged):
            engine.run(prediction)


def test_a_result_larger_than_allowed_is_refused_rather_than_kept_in_memory(sample: Path) -> None:
    engine = DuckDbEngine(LakeFiles(FolderFiles(sample)), max_result_bytes=10_000)
    try:
        with pytest.raises(ResultTooLarge, match=r"larger than 10\.0 KB"):
            answer(engine, "SELECT * FROM events WHERE year = 2025")
    finally:
        engine.close()


def test_the_connection_reads_nothing_but_the_querys_files(engine: DuckDbEngine, sample: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    answer(engine, "SELECT 1")
    connection = engine._connection
    with pytest.raises(Exception, match=r"disabled|not allowed|Permission|Cannot access"):
        connection.execute(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')").fetchall()
    with pytest.raises(Exception, match=r"No such file|not found|FileNotFound|No files found"):
        connection.execute(f"SELECT * FROM read_parquet('lake://{DAY}/data.parquet')").fetchall()
    with pytest.raises(Exception, match="lock"):
        connection.execute("SET enable_external_access = true")


def test_an_engine_answers_one_query_after_another(engine: DuckDbEngine) -> None:
    first = answer(engine, "SELECT count(*) AS n FROM orders WHERE month = 1").rows["n"][0].as_py()
    second = answer(engine, "SELECT count(*) AS n FROM orders WHERE month = 2").rows["n"][0].as_py()
    with pytest.raises(QueryFailed):
        answer(engine, "SELECT 1 / 0")
    again = answer(engine, "SELECT count(*) AS n FROM orders WHERE month = 1").rows["n"][0].as_py()
    assert first == again != second


@pytest.mark.parametrize(
    "sql", ["date_add('year', 9000, DATE '2025-01-01')", "date_add('day', 1, TIMESTAMP '9999-12-31 00:00:00')"]
)
def test_a_time_beyond_the_year_9999_is_told_by_its_column(sql: str, engine: DuckDbEngine) -> None:
    with pytest.raises(QueryFailed, match="until"):
        report(f"SELECT 1 AS n, {sql} AS until", engine)
