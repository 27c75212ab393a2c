"""The scan prediction, held against the files themselves and against what DuckDB reports that it read."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from services.errors import QueryRefused
from services.queries.files import FileChanged, FolderFiles, LakeFile, list_table
from services.queries.footers import TAIL, FileDamaged, Footers
from services.queries.guard import check
from services.queries.prediction import LakeFiles, Prediction, ScanTooLarge, SchemaDiffers, predict
from services.queries.resolve import HiddenColumn, NameUnknown, resolve
from tests.unit.queries.lake import LAKE, ORDERS

DAY = Path("orders/year=2025/month=01/day=10")
JANUARY = "year = 2025 AND month = 1"


def prediction(sql: str, lake: LakeFiles) -> Prediction:
    return predict(sql, LAKE, lake)


def orders(rows: int, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "order_id": pa.array(range(start, start + rows), pa.int64()),
            "user_id": pa.array([n * 7919 % 1000 for n in range(rows)], pa.int64()),
            "amount": pa.array([Decimal(n % 500) / 100 for n in range(rows)], pa.decimal128(12, 2)),
            "status": pa.array([None if n % 50 == 0 else f"s{n * 31 % 97}" for n in range(rows)]),
            "created_at": pa.array([1736467200000 + n * 1000 for n in range(rows)], pa.timestamp("ms", tz="UTC")),
        }
    )


def write(folder: Path, table: pa.Table, day: Path = DAY, group: int = 1000, name: str = "data.parquet") -> Path:
    path = folder / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group, compression="zstd")
    return path


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) FROM orders WHERE {0}", ""),
        ("SELECT year, month, count(*) FROM orders WHERE {0} GROUP BY 1, 2", ""),
        ("SELECT sum(amount) FROM orders WHERE {0}", "amount"),
        ("SELECT * FROM orders WHERE {0}", "order_id user_id amount status created_at"),
        ("SELECT status FROM orders WHERE {0} AND amount > 5", "amount status"),
        ("SELECT count(*) FROM (SELECT * FROM orders WHERE {0})", ""),
        ("WITH o AS (SELECT * FROM orders WHERE {0}) SELECT max(user_id) FROM o", "user_id"),
        ("SELECT status FROM orders WHERE {0} GROUP BY status HAVING sum(user_id) > 3", "user_id status"),
        ("SELECT status FROM orders WHERE {0} ORDER BY created_at", "status created_at"),
        ("SELECT 1 WHERE EXISTS (SELECT * FROM orders WHERE {0} AND user_id = 3)", "user_id"),
        ("SELECT sum(amount) OVER (PARTITION BY user_id) FROM orders WHERE {0}", "user_id amount"),
        ("SELECT m, a FROM orders AS o(a, b, c, d, e, y, m, dd) WHERE y = 2025 AND m = 1", "order_id"),
        ("SELECT count(*) FILTER (WHERE status = 'x') FROM orders WHERE {0}", "status"),
        ("SELECT user_id FROM january_orders", "user_id"),
    ],
)
def test_only_the_columns_that_the_answer_needs_are_counted(sql: str, columns: str, lake: LakeFiles) -> None:
    found = prediction(sql.format(JANUARY), lake).scans[0]
    assert list(found.columns) == columns.split()
    assert found.rows == sum(footer.rows for footer in found.files) > 0


def test_each_scan_of_a_join_counts_its_own_columns_and_partitions(lake: LakeFiles) -> None:
    sql = (
        "SELECT o.amount FROM orders o JOIN events e ON o.user_id = e.user_id "
        "WHERE o.year = 2025 AND o.month = 1 AND e.year = 2025 AND e.month = 2 AND e.day = 1 AND e.event_type = 'login'"
    )
    first, second = prediction(sql, lake).scans
    assert (list(first.columns), len(first.partitions)) == (["user_id", "amount"], 3)
    assert (list(second.columns), len(second.partitions)) == (["user_id", "event_type"], 1)


def test_the_bytes_are_those_of_the_column_chunks_in_the_files(lake: LakeFiles, sample: Path) -> None:
    expected = 0
    for path in (sample / "orders/year=2025/month=01").rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                expected += chunk.total_compressed_size if chunk.path_in_schema == "amount" else 0
    assert prediction(f"SELECT sum(amount) FROM orders WHERE {JANUARY}", lake).bytes == expected > 0


CONDITIONS = [
    "order_id = 4500",
    "order_id < 1000",
    "order_id >= 9000",
    "order_id > 9999",
    "8000 <= order_id",
    "order_id BETWEEN 2500 AND 3500",
    "order_id IN (1, 9998)",
    "order_id = 5 OR order_id = 9999",
    "order_id > 1500 AND order_id < 1600",
    "created_at >= TIMESTAMP '2025-01-10 01:00:00' AND created_at < TIMESTAMP '2025-01-10 01:10:00'",
    "created_at < TIMESTAMP '2025-01-10 00:10:00'",
    "order_id = -1",
    "user_id = 5",
    "status = 'zzz'",
    "amount > 100",
    "amount = 4.99 AND order_id < 2000",
    "status IS NULL AND order_id < 3000",
    "order_id * 2 = 8",
    "NOT order_id < 9000",
    "order_id <> 5",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_row_groups_are_pruned_no_further_than_duckdb_prunes_them_and_no_row_is_lost(
    condition: str, tmp_path: Path
) -> None:
    path = write(tmp_path, orders(10_000))
    outputs = "sum(user_id), sum(order_id), sum(amount), count(DISTINCT status), count(DISTINCT created_at)"
    sql = f"SELECT {outputs} FROM orders WHERE {{}}({condition})"
    found = prediction(sql.format(f"{JANUARY} AND "), LakeFiles(FolderFiles(tmp_path))).scans[0]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET parquet_prefetch_column_gap = 0")
        connection.execute("PRAGMA enable_profiling = 'no_output'")
        connection.execute(sql.format("").replace("FROM orders", f"FROM '{path}'")).fetchall()
        read = json.loads(connection.get_profiling_information(format="json"))["io"]["total_bytes_read"]
        matching = connection.execute(
            f"SELECT count(DISTINCT order_id // 1000) FROM '{path}' WHERE {condition}"
        ).fetchall()[0][0]
    tail = min(TAIL, path.stat().st_size)
    assert matching <= found.groups
    assert read - tail <= found.bytes


def test_a_condition_on_the_sorted_column_reads_one_row_group_of_ten(tmp_path: Path) -> None:
    write(tmp_path, orders(10_000))
    lake = LakeFiles(FolderFiles(tmp_path))
    found = prediction(f"SELECT amount FROM orders WHERE {JANUARY} AND order_id = 4500", lake).scans[0]
    assert (found.groups, found.all_groups, found.rows) == (1, 10, 1000)
    everything = prediction(f"SELECT amount, order_id FROM orders WHERE {JANUARY}", lake)
    assert found.bytes * 5 < everything.bytes


@pytest.mark.parametrize(
    ("ctes", "query", "times"),
    [
        ("o AS ({0})", "SELECT sum(amount) FROM o", [1]),
        ("o AS ({0})", "SELECT sum(a.amount) FROM o a, o b WHERE a.amount < b.amount", [2]),
        ("o AS ({0}), p AS (SELECT amount FROM o UNION SELECT amount FROM o)",
         "SELECT sum(a.amount) FROM p a, p b, o WHERE a.amount < b.amount AND o.amount > 0", [5]),
        ("o AS (WITH o AS ({0}) SELECT * FROM o UNION ALL SELECT * FROM o)", "SELECT sum(amount) FROM o", [2]),
        ("o AS (SELECT * FROM january_orders)",
         "SELECT sum(amount) FROM o WHERE amount > (SELECT avg(amount) FROM o)", [2]),
        ("unused AS ({0})", "SELECT 1", [0]),
    ],
)  # fmt: skip
def test_a_scan_in_a_cte_counts_once_for_each_place_that_reads_it(
    ctes: str, query: str, times: list[int], lake: LakeFiles
) -> None:
    once = prediction(f"SELECT sum(amount) FROM orders WHERE {JANUARY}", lake)
    orders_of_january = f"SELECT * FROM orders WHERE {JANUARY}"
    found = prediction(f"WITH {ctes.format(orders_of_january)} {query}", lake)
    assert [scan.times for scan in found.scans] == times
    assert found.bytes == sum(times) * once.bytes
    assert sum(cost for _, cost in found.costliest) == found.bytes
    assert found.unfiltered >= found.bytes


def test_a_column_is_found_in_whatever_case_its_file_writes_it(tmp_path: Path) -> None:
    table = orders(100)
    write(tmp_path, table.rename_columns([name.upper() for name in table.column_names]))
    found = prediction(
        f"SELECT sum(amount) FROM orders WHERE {JANUARY} AND order_id < 5", LakeFiles(FolderFiles(tmp_path))
    )
    assert all(found.scans[0].columns[name] > 0 for name in ("order_id", "amount"))


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("status IS NULL", 1),
        ("(status) IS NULL", 1),
        ("status IS NOT NULL", 0),
        ("NOT (status IS NULL)", 0),
        ("coalesce(status, 'none') IS NOT NULL", 1),
        ("NOT (coalesce(status, 'none') IS NULL)", 1),
        ("nullif(status, 'none') IS NULL", 1),
        ("created_at < TIMESTAMP '2025-01-10 00:00:00.0000001'", 1),
        ("created_at < TIMESTAMP '2025-01-10 00:00:00.000000'", 0),
    ],
)
def test_a_row_group_is_dropped_only_where_no_row_can_pass(condition: str, kept: int, tmp_path: Path) -> None:
    table = orders(100)
    write(tmp_path, table.set_column(3, "status", pa.nulls(100, pa.string())))
    found = prediction(f"SELECT order_id FROM orders WHERE {JANUARY} AND {condition}", LakeFiles(FolderFiles(tmp_path)))
    assert found.scans[0].groups == kept


def test_a_scan_over_the_limit_is_refused_with_the_partitions_that_cost_most(lake: LakeFiles) -> None:
    found = prediction(f"SELECT * FROM orders WHERE {JANUARY}", lake)
    found.check(found.bytes)
    with pytest.raises(ScanTooLarge, match="SCAN_LIMIT_BYTES") as refused:
        found.check(found.bytes - 1)
    costs = [folder for folder, _ in found.costliest]
    lines = str(refused.value).splitlines()
    assert [line.split()[0] for line in lines[2:]] == costs
    assert sorted(costs) == [f"orders/year=2025/month=01/day={day}" for day in (10, 11, 12)]


def test_without_the_filter_every_partition_counts_exactly_once_all_footers_are_known(lake: LakeFiles) -> None:
    everything = prediction("SELECT sum(amount) FROM orders WHERE year = 2025", lake)
    one_day = prediction("SELECT sum(amount) FROM orders WHERE year = 2025 AND month = 1 AND day = 10", lake)
    assert one_day.bytes < one_day.unfiltered == everything.bytes
    assert not one_day.scans[0].estimated


def test_without_the_filter_is_estimated_within_a_fifth_from_one_partitions_footer(lake: LakeFiles) -> None:
    one_day = prediction("SELECT sum(amount) FROM orders WHERE year = 2025 AND month = 1 AND day = 10", lake)
    assert one_day.scans[0].estimated
    exact = prediction("SELECT sum(amount) FROM orders WHERE year = 2025", lake).bytes
    assert abs(one_day.unfiltered - exact) < exact / 5


@pytest.mark.parametrize("table", ["orders", "events"])
def test_the_size_as_csv_is_estimated_within_a_fifth(table: str, lake: LakeFiles, sample: Path, tmp_path: Path) -> None:
    found = prediction(f"SELECT * FROM {table} WHERE year = 2025", lake)
    files = sorted((sample / table).rglob("*.parquet"))
    rows = pl.concat([pl.read_parquet(file).with_columns(year=2025, month=1, day=10) for file in files])
    rows.write_csv(tmp_path / "all.csv", datetime_format="%Y-%m-%d %H:%M:%S%.3f")
    actual = (tmp_path / "all.csv").stat().st_size
    assert abs(found.as_csv - actual) < actual / 5


def test_a_partition_that_is_not_there_selects_nothing_and_an_empty_table_predicts_zero(
    lake: LakeFiles, tmp_path: Path
) -> None:
    missing = prediction("SELECT * FROM orders WHERE year = 2025 AND month = 1 AND day = 13", lake)
    assert (missing.bytes, missing.scans[0].partitions) == (0, ())
    empty = prediction("SELECT * FROM orders WHERE year = 2025", LakeFiles(FolderFiles(tmp_path)))
    assert (empty.bytes, empty.unfiltered, empty.as_csv) == (0, 0, 0)


def test_only_the_files_that_athena_would_read_are_listed(tmp_path: Path) -> None:
    for name in ("data.parquet", "data-1.parquet", "_SUCCESS", ".data.parquet.partial", "nested/more.parquet"):
        (tmp_path / DAY / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / DAY / name).write_bytes(b"x")
    for other in ("year=2025/month=1/day=10", "year=2019/month=01/day=10", "year=2025/month=13/day=10", "odd"):
        (tmp_path / "orders" / other).mkdir(parents=True)
        (tmp_path / "orders" / other / "data.parquet").write_bytes(b"x")
    (tmp_path / DAY / "empty.parquet").touch()
    (tmp_path / "orders_old").mkdir()
    (tmp_path / "orders_old" / "data.parquet").write_bytes(b"x")
    found = list_table(FolderFiles(tmp_path), ORDERS)
    assert [file.key.removeprefix(f"{DAY}/") for file in found] == [
        "data-1.parquet", "data.parquet", "nested/more.parquet",
    ]  # fmt: skip
    assert {file.values for file in found} == {(2025, 1, 10)}


def damage(sample: Path, folder: Path) -> Path:
    shutil.copytree(sample, folder, dirs_exist_ok=True)
    return folder / DAY / "data.parquet"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda _: b"order_id,user_id\n1,2\n" * 50, "not a Parquet file"),
        (lambda _: b"PAR1", "not a Parquet file: it has 4 bytes"),
        (lambda body: body[:-100], "cut short"),
        (lambda body: body[:-8] + b"\xff\xff\xff\x7fPAR1", "footer claims to be longer"),
        (lambda body: body[:-60] + b"\xff" * 52 + body[-8:], "footer cannot be read"),
    ],
    ids=["a CSV", "four bytes", "cut short", "a length that is too large", "garbage in the footer"],
)
def test_a_file_that_is_no_parquet_is_named_with_what_is_wrong(
    content: object, words: str, sample: Path, tmp_path: Path
) -> None:
    path = damage(sample, tmp_path)
    assert callable(content)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(FileDamaged, match=words) as failure:
        prediction(f"SELECT amount FROM orders WHERE {JANUARY}", LakeFiles(FolderFiles(tmp_path)))
    assert str(path) in str(failure.value)
    prediction("SELECT amount FROM orders WHERE month = 2", LakeFiles(FolderFiles(tmp_path)))


def test_a_partition_of_another_schema_is_named_when_the_query_reads_that_column(sample: Path, tmp_path: Path) -> None:
    path = damage(sample, tmp_path)
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "amount", table["amount"].cast(pa.float64())), path)
    lake = LakeFiles(FolderFiles(tmp_path))
    with pytest.raises(SchemaDiffers, match="amount is stored as double, and the table declares") as failure:
        prediction(f"SELECT sum(amount) FROM orders WHERE {JANUARY}", lake)
    assert str(path) in str(failure.value)
    prediction(f"SELECT status FROM orders WHERE {JANUARY}", lake)


def test_a_footer_larger_than_the_tail_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path, orders(2000), group=10)
    files = FolderFiles(tmp_path)
    footer = Footers(files).read(list_table(files, ORDERS))[0]
    assert footer.length > TAIL
    assert (footer.rows, len(footer.groups)) == (2000, 200)
    assert sum(footer.sizes.values()) < path.stat().st_size


def test_a_file_that_vanishes_between_listing_and_reading_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, orders(10))
    files = FolderFiles(tmp_path)
    listed = list_table(files, ORDERS)
    path.unlink()
    with pytest.raises(FileChanged):
        Footers(files).read(listed)
    with pytest.raises(FileChanged):
        files.read(LakeFile("nowhere", 5, ""), 0, 5)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT amnt FROM orders WHERE month = 1", "column 'amnt' could not be resolved"),
        ("SELECT status AS s FROM orders WHERE month = 1 AND s = 'x'", "column 's' could not be resolved"),
        ("SELECT status AS s, count(*) FROM orders WHERE month = 1 GROUP BY s", "column 's' could not be resolved"),
        ("SELECT user_id FROM orders o, events e WHERE o.month = 1 AND e.month = 1", "column 'user_id'"),
        ("SELECT x.amount FROM orders o WHERE month = 1", "x"),
        ("SELECT * FROM UNNEST(ARRAY[1, 2])", "* stands for columns that have no names"),
        ("SELECT * FROM orders o, UNNEST(ARRAY[1, 2]) WHERE o.month = 1", "* stands for columns that have no names"),
        (
            "SELECT t.* FROM orders o, UNNEST(ARRAY[1]) AS t WHERE o.month = 1",
            "* stands for columns that have no names",
        ),
    ],
)
def test_a_name_that_athena_would_not_resolve_is_refused(sql: str, words: str) -> None:
    with pytest.raises(NameUnknown) as refused:
        resolve(check(sql, LAKE))
    assert words in str(refused.value)
    assert isinstance(refused.value, QueryRefused)


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ('SELECT "$path" FROM orders WHERE month = 1', '"$path" (line 1, column 8)'),
        ('SELECT o."$path", count(*) FROM orders o WHERE month = 1 GROUP BY o."$path"', '"$path" (line 1, column 10)'),
        ('SELECT 1 FROM orders WHERE month = 1 AND "$file_size" > 3', '"$file_size" (line 1, column 42)'),
        ("SELECT 1 FROM orders WHERE month = 1 HAVING min(\"$path\") > 'a'", '"$path" (line 1, column 49)'),
    ],
)
def test_a_hidden_column_of_athenas_is_refused_with_its_place(sql: str, place: str) -> None:
    with pytest.raises(HiddenColumn) as refused:
        resolve(check(sql, LAKE))
    assert f"{place} is a hidden column of Athena's" in str(refused.value)


def test_a_name_like_a_hidden_columns_that_the_query_gives_itself_is_no_hidden_column() -> None:
    sql = 'SELECT "$path" FROM (SELECT status AS "$path" FROM orders WHERE month = 1)'
    assert resolve(check(sql, LAKE)).columns == (("status",),)


@pytest.mark.parametrize(("word", "bound"), [("AND", "<>"), ("OR", "=")])
def test_more_than_a_thousand_conditions_do_not_nest_as_deep_as_they_are_many(word: str, bound: str) -> None:
    many = f" {word} ".join(f"order_id {bound} {number}" for number in range(1_500))
    resolved = resolve(check(f"SELECT status FROM orders WHERE month = 1 AND ({many})", LAKE))
    assert max(column.depth for column in resolved.tree.find_all(exp.Column)) < 40
    assert len(list(resolved.tree.find_all(exp.Column))) == 1_502


def test_conditions_keep_their_order_and_their_parentheses_once_resolved() -> None:
    where = (
        "month = 1 AND (status = 'a' OR status = 'b' OR amount > 1 AND user_id > 2) AND amount < 3 AND NOT user_id = 4"
    )
    resolved = resolve(check(f"SELECT status FROM orders WHERE {where}", LAKE))
    found = resolved.tree.args["where"].this.sql("athena").replace('"orders".', "").replace('"', "")
    assert found == where
