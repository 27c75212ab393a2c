"""Queries of a lake in a bucket, on the offline engine and through the command line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from services.errors import BucketMissing
from services.lake.generate import DEFAULT_DAYS, generate
from services.lake.population import Population
from services.queries.files import BucketFiles, FileChanged
from services.queries.named import named_queries
from services.queries.offline.engine import DuckDbEngine
from services.queries.prediction import LakeFiles, predict
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.unit.queries.lake import LAKE
from tests.unit.queries.questions import expected

PREFIX = "datalake"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake of six days; it is never changed."""
    folder = tmp_path_factory.mktemp("lake")
    generate(folder, Population(users=300, rows_per_day=2000, seed=11), ("orders", "events"), DEFAULT_DAYS, workers=1)
    return folder


@pytest.fixture
def bucket(storage: Storage, sample: Path) -> Storage:
    """A bucket that holds that lake."""
    for path in sample.rglob("*.parquet"):
        storage.put(f"{PREFIX}/{path.relative_to(sample).as_posix()}", path.read_bytes())
    return storage


@pytest.fixture
def engine(bucket: Storage) -> Iterator[DuckDbEngine]:
    made = DuckDbEngine(LakeFiles(BucketFiles(bucket, PREFIX)))
    yield made
    made.close()


def test_the_named_queries_answer_from_the_bucket_as_polars_does_from_the_files(
    engine: DuckDbEngine, sample: Path
) -> None:
    for query in named_queries():
        prediction = predict(query.sql, LAKE, engine.lake)
        answer = engine.run(prediction)
        assert answer.rows.to_pylist() == expected(query.name, sample)
        assert answer.scanned == prediction.bytes > 0


def test_only_the_selected_partitions_and_columns_are_fetched(bucket: Storage, sample: Path) -> None:
    asked: list[tuple[str, str]] = []

    def note(params: dict[str, str], **_: object) -> None:
        asked.append((params["Key"], params["Range"]))

    events, event = bucket.aws.s3.meta.events, "before-parameter-build.s3.GetObject"
    events.register(event, note)
    engine = DuckDbEngine(LakeFiles(BucketFiles(bucket, PREFIX)))
    prediction = predict("SELECT sum(amount) FROM orders WHERE year = 2025 AND month = 2", LAKE, engine.lake)
    engine.run(prediction)
    engine.close()
    events.unregister(event, note)  # the client is the whole run's
    assert {key for key, _ in asked} == {
        f"{PREFIX}/orders/year=2025/month=02/day=0{day}/data.parquet" for day in (1, 2)
    }
    sizes = [(sample / key.removeprefix(f"{PREFIX}/")).stat().st_size for key, _ in asked]
    assert sum(int(span.split("-")[1]) - int(span.split("=")[1].split("-")[0]) + 1 for _, span in asked) <= sum(sizes)


def test_a_file_that_is_replaced_in_mid_query_is_told_and_not_half_read(bucket: Storage) -> None:
    rows = pl.DataFrame({"order_id": range(100_000)})
    sink = io.BytesIO()
    rows.write_parquet(sink, compression="uncompressed")
    key = f"{PREFIX}/orders/year=2025/month=04/day=01/data.parquet"
    bucket.put(key, sink.getvalue())
    engine = DuckDbEngine(LakeFiles(BucketFiles(bucket, PREFIX)))
    prediction = predict("SELECT sum(order_id) FROM orders WHERE year = 2025 AND month = 4", LAKE, engine.lake)
    bucket.put(key, sink.getvalue() + b"")
    sink.seek(0)
    rows.reverse().write_parquet(sink, compression="uncompressed")
    bucket.put(key, sink.getvalue())
    with pytest.raises(FileChanged, match="replaced or removed"):
        engine.run(prediction)
    bucket.delete([key])
    with pytest.raises(FileChanged):
        engine.run(prediction)
    engine.close()


def test_a_bucket_that_vanishes_in_mid_query_is_told(bucket: Storage) -> None:
    lake = LakeFiles(BucketFiles(bucket, PREFIX))
    table = LAKE.tables["orders"]
    lake.files_of(table)
    bucket.delete([found.key for found in bucket.objects("")])
    bucket.aws.s3.delete_bucket(Bucket=bucket.bucket)
    with pytest.raises(BucketMissing):
        predict("SELECT sum(amount) FROM orders WHERE month = 1", LAKE, lake)


def test_the_athena_job_runs_the_five_queries_and_tells_what_each_scanned(
    bucket: Storage, sample: Path, shoreline: Shoreline
) -> None:
    done = shoreline("athena", "--json")
    assert done.exit_code == 0, done.errors
    report = done.json["result"]
    assert [table["rows"] > 0 for table in report["tables"]] == [True, True]
    assert [found["query"] for found in report["results"]] == [query.name for query in named_queries()]
    for found in report["results"]:
        assert 0 < found["figures"]["scanned"] == found["figures"]["predicted"] < 1_000_000
        assert found["figures"]["billed"] == 10_000_000
        assert Decimal(found["figures"]["cost"]) == Decimal("0.00005")
        assert len(found["rows"]) == len(expected(found["query"], sample))
    shown = shoreline("athena")
    assert "Every query scanned kilobytes only." in shown.output
    assert "are not shown: query 01_orders_of_a_day --format csv prints all" in shown.output
    assert "orders year=2025 month=1 day=10" in shown.output
    assert "nanobind" not in shown.errors


def test_an_empty_lake_is_told_as_one(storage: Storage, shoreline: Shoreline) -> None:
    outcome = shoreline("athena")
    assert outcome.exit_code == 0, outcome.errors
    assert "The lake holds no rows yet." in outcome.output
    assert "scanned kilobytes" not in outcome.output
    assert "Next: shoreline upload" in outcome.errors


def test_the_check_scans_nothing(bucket: Storage, shoreline: Shoreline) -> None:
    done = shoreline("athena", "--check", "--json")
    assert done.exit_code == 0, done.errors
    assert len(done.json["result"]["checked"]) == 5
    assert done.json["result"]["results"] == []


def test_a_query_prints_its_rows_as_a_table_and_writes_them_as_a_file(
    bucket: Storage, sample: Path, shoreline: Shoreline, tmp_path: Path
) -> None:
    rows = expected("02_revenue_by_status", sample)
    table = shoreline("query", "02", fresh=True)
    assert all(str(row["revenue"]) in table.output for row in rows)
    assert "predicted" in table.output
    as_csv = shoreline("query", "02", "--format", "csv")
    assert as_csv.output.splitlines()[1:] == [f'"{row["status"]}",{row["orders"]},{row["revenue"]}' for row in rows]
    output = tmp_path / "answer.parquet"
    assert shoreline("query", "02", "--format", "parquet", "--output", output).exit_code == 0
    assert pl.read_parquet(output).to_dicts() == rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "--format", "csv", "--output", "rows.csv"], "--json prints the result itself"),
        (["--json", "--output", "rows.csv"], "--format and --output have no effect"),
        (["--output", "rows.csv"], "--output takes csv, json or parquet."),
        (["--explain", "--output", "rows.csv"], "--explain writes no rows"),
    ],
)
def test_useless_output_options_are_refused_before_the_query(
    options: list[str], words: str, shoreline: Shoreline
) -> None:
    done = shoreline("query", "no such query", *options)
    assert done.exit_code == 2
    assert words in done.errors


def test_explain_tells_partitions_columns_and_cost_and_runs_nothing(bucket: Storage, shoreline: Shoreline) -> None:
    done = shoreline("query", "04", "--explain", "--json")
    assert done.exit_code == 0, done.errors
    plan = done.json["result"]
    assert plan["scans"][0]["selected"] == "year=2025 month=1"
    assert list(plan["scans"][0]["columns"]) == ["user_id", "amount", "status"]
    assert plan["scans"][0]["partitions"] == 3
    assert plan["figures"]["predicted"] == sum(plan["scans"][0]["columns"].values())
    shown = shoreline("query", "04", "--explain").output
    assert "3 of 6 partitions" in shown
    assert "amount" in shown


@pytest.mark.parametrize(
    ("arguments", "env", "code", "words"),
    [
        (["SELECT * FROM orders"], {}, 17, "add: orders.year = 2025"),
        (["02"], {"SCAN_LIMIT_BYTES": "100"}, 17, "The query 02_revenue_by_status would scan"),
        (["SELECT 1 / 0"], {}, 18, "Division by zero"),
        (["02"], {"BUCKET": "no-such-bucket-of-ours"}, 8, "The bucket no-such-bucket-of-ours"),
        (["09"], {}, 2, "Query 09 does not exist."),
        (["02", "--output", "x.csv"], {}, 2, "--format csv"),
        (
            ["02", "--format", "csv", "--output", "no/such/folder/x.csv"],
            {},
            2,
            "the folder 'no/such/folder' does not exist",
        ),
        (["02", "--format", "csv", "--output", "."], {}, 2, "it is a folder"),
    ],
)
def test_failed_query_ends_with_reason_and_exit_code(
    arguments: list[str], env: dict[str, str], code: int, words: str, bucket: Storage, shoreline: Shoreline
) -> None:
    done = shoreline("query", *arguments, env=env)
    assert done.exit_code == code
    assert words in done.errors
    assert "Traceback" not in done.errors
    assert done.output == ""


def test_unwritable_file_is_refused_before_the_lake_is_read(shoreline: Shoreline) -> None:
    # The bucket does not exist either: reading the lake first would report that.
    env = {"BUCKET": "no-such-bucket-of-ours"}
    done = shoreline("query", "02", "--format", "csv", "--output", "no/such/folder/x.csv", env=env)
    assert done.exit_code == 2
    assert "the folder 'no/such/folder' does not exist" in done.errors


def test_the_tables_are_shown_with_their_newest_day(bucket: Storage, sample: Path, shoreline: Shoreline) -> None:
    done = shoreline("tables", "--json", fresh=True)
    assert done.exit_code == 0, done.errors
    orders = done.json["result"]["tables"][0]
    rows = pl.read_parquet(sorted((sample / "orders").rglob("*.parquet"))).height
    assert (orders["name"], orders["rows"], orders["partitions"]) == ("orders", rows, 6)
    assert orders["newest"] == "year=2025/month=03/day=01"
    ddl = shoreline("tables", "--ddl", env={"ATHENA_PARTITIONS": "alter"}).output
    assert ddl.count("PARTITION (year = 2025") == 12
    assert "projection" not in ddl


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_columns_of_one_name_are_all_in_the_answer(form: str, shoreline: Shoreline, tmp_path: Path) -> None:
    shoreline("setup")
    file = tmp_path / "answer"
    asked = shoreline("query", "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a", "--format", form, "--output", str(file))
    assert asked.exit_code == 0
    read: Any = {"json": pl.read_json, "csv": pl.read_csv, "parquet": pl.read_parquet}[form]
    assert read(file).to_dicts() == [{"a": 1, "a_2": 2, "a_1": 3, "a_3": 4}]
