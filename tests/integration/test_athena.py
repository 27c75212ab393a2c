"""The Athena engine, spoken to over the wire by botocore itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.costs.meter import Meter
from services.errors import InputError, LakeError, QueryFailed, ShorelineError, StorageError
from services.lake.generate import generate
from services.lake.population import Population
from services.lake.tables import TABLES
from services.local.stack import PROJECT
from services.queries.athena import execution
from services.queries.athena.engine import AthenaEngine
from services.queries.athena.execution import LONGEST_PAUSE, QueryCancelled
from services.queries.athena.reasons import NoAthena, failure
from services.queries.athena.workgroup import Workgroup
from services.queries.catalog import catalog_of
from services.queries.ddl import PartitionMode, Statement, statements
from services.queries.engine import ResultTooLarge
from services.queries.files import FolderFiles
from services.queries.prediction import LakeFiles, Prediction, ScanTooLarge, predict
from services.queries.time_limit import QueryTimedOut
from services.s3.client import Aws, AwsAccess
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.fakes.athena import Column, FakeAthena, Reply
from tests.fakes.catalog import Shape
from tests.faults.proxy import FaultProxy

CATALOG = catalog_of("saas_datalake", TABLES)
LAKE = "s3://bucket/datalake"
GROUP = Workgroup("shoreline", "s3://bucket/athena-results/", 25_000_000)
TAGS = [{"Key": "project", "Value": "shoreline"}]
READY: dict[str, Shape] = {"shoreline": {"Tags": TAGS}}


@pytest.fixture
def fake() -> FakeAthena:
    return FakeAthena(workgroups=dict(READY))


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that were made, in seconds; nobody waits for them."""
    return []


@pytest.fixture
def aws(stack: dict[str, str], fake: FakeAthena) -> Iterator[Aws]:
    with FaultProxy(stack["AWS_ENDPOINT_URL"], fake) as proxy:
        yield Aws(AwsAccess(region="us-east-1", endpoint_url=proxy.url))


@pytest.fixture
def engine(aws: Aws, pauses: list[float]) -> AthenaEngine:
    return AthenaEngine(aws, GROUP, "saas_datalake", pause=pauses.append)


def query(
    sql: str = "SELECT count(*) FROM orders WHERE year = 2025;", folder: Path = Path("/nonexistent")
) -> Prediction:
    return predict(sql, CATALOG, LakeFiles(FolderFiles(folder)))


def test_a_query_runs_in_the_workgroup_and_database_and_its_figures_are_athenas(
    engine: AthenaEngine, fake: FakeAthena
) -> None:
    fake.replies["count(*)"] = Reply(columns=[("_col0", "bigint")], rows=[["42"]], scanned=1234)
    answer = engine.run(query())
    assert answer.rows.to_pylist() == [{"_col0": 42}]
    assert (answer.scanned, answer.query_id) == (1234, "query-0")
    request = fake.queries[0].request
    assert request["QueryString"] == "SELECT count(*) FROM orders WHERE year = 2025"
    assert request["WorkGroup"] == "shoreline"
    assert request["QueryExecutionContext"] == {"Database": "saas_datalake"}


@pytest.mark.parametrize("end", ["", ";", " ; ;\n", "; -- all of them; every one", ";\n/* the end */", " -- é; no end"])
def test_athena_is_asked_one_statement_whatever_follows_it(end: str, engine: AthenaEngine, fake: FakeAthena) -> None:
    asked = query(f"SELECT 'é;', count(*) FROM orders WHERE year = 2025{end}")
    engine.check(asked)
    engine.run(asked)
    sent = "SELECT 'é;', count(*) FROM orders WHERE year = 2025" + (end if end.startswith(" --") else "")
    assert [found.request["QueryString"] for found in fake.queries] == [f"EXPLAIN (TYPE VALIDATE) {sent}", sent]


def test_every_type_comes_back_as_itself_and_null_apart_from_the_empty_text(
    engine: AthenaEngine, fake: FakeAthena
) -> None:
    columns: list[Column] = [
        ("n", "bigint"), ("i", "integer"), ("money", "decimal", 38, 2), ("x", "double"), ("who", "varchar"),
        ("at", "timestamp"), ("day", "date"), ("ok", "boolean"), ("many", "array"),
    ]  # fmt: skip
    rows: list[list[str | None]] = [
        ["9007199254740993", "7", "12.30", "1.5E10", "", "2025-01-10 14:30:00.120", "2025-01-10", "true", "[1, 2]"],
        [None] * len(columns),
    ]
    fake.replies["SELECT"] = Reply(columns=columns, rows=rows)
    first, second = engine.run(query()).rows.to_pylist()
    assert first == {
        "n": 9007199254740993, "i": 7, "money": Decimal("12.30"), "x": 1.5e10, "who": "",
        "at": datetime(2025, 1, 10, 14, 30, 0, 120000), "day": date(2025, 1, 10), "ok": True, "many": "[1, 2]",  # noqa: DTZ001
    }  # fmt: skip
    assert set(second.values()) == {None}


@pytest.mark.parametrize(
    ("kind", "text"),
    [("date", "+10000-01-01"), ("timestamp", "+10000-01-01 00:00:00.000"), ("date", "-0001-12-31")],
)
def test_a_day_that_is_none_here_is_told_by_its_column(
    engine: AthenaEngine, fake: FakeAthena, kind: str, text: str
) -> None:
    fake.replies["SELECT"] = Reply(columns=[("until", kind)], rows=[[text]])
    with pytest.raises(
        QueryFailed, match=re.escape(f"holds {text} in until, which cannot be kept as a {kind}")
    ) as told:
        engine.run(query())
    assert "CAST(until AS varchar)" in told.value.next_step


def test_a_large_answer_is_read_page_by_page_without_its_header(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(columns=[("n", "bigint")], rows=[[str(n)] for n in range(2500)])
    assert engine.run(query()).rows["n"].to_pylist() == list(range(2500))
    assert fake.asked.count("GetQueryResults") == 3


def test_a_row_that_looks_like_the_header_is_kept(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(columns=[("status", "varchar")], rows=[["status"], ["paid"]])
    assert engine.run(query()).rows["status"].to_pylist() == ["status", "paid"]


def test_an_answer_larger_than_memory_may_hold_is_refused(aws: Aws, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(columns=[("t", "varchar")], rows=[["x" * 100]] * 3000)
    engine = AthenaEngine(aws, GROUP, "saas_datalake", pause=lambda _: None, max_result_bytes=50_000)
    with pytest.raises(ResultTooLarge):
        engine.run(query())
    assert fake.asked.count("GetQueryResults") == 1


def test_a_slow_query_is_looked_at_less_and_less_often(
    engine: AthenaEngine, fake: FakeAthena, pauses: list[float]
) -> None:
    fake.replies["SELECT"] = Reply(states=["QUEUED"] * 5 + ["RUNNING"] * 15 + ["SUCCEEDED"])
    engine.run(query())
    assert len(pauses) == 20
    assert pauses[0] < 0.2
    assert all(LONGEST_PAUSE * 0.7 < pause <= LONGEST_PAUSE * 1.3 for pause in pauses[10:])
    assert len(set(pauses)) == len(pauses)


def test_a_full_queue_is_waited_for_and_starts_the_query_once(
    engine: AthenaEngine, fake: FakeAthena, pauses: list[float]
) -> None:
    fake.throttled = 8
    engine.run(query())
    assert len(fake.queries) == 1
    assert len(pauses) >= 3


def test_a_queue_that_stays_full_ends_with_a_clear_message(
    engine: AthenaEngine, fake: FakeAthena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "ATTEMPTS", 2)
    fake.throttled = 10**9
    with pytest.raises(StorageError, match="exceeded the limit for queued queries"):
        engine.run(query())


def test_a_start_whose_answer_is_lost_starts_no_second_query(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.lost_starts = 1
    engine.run(query())
    assert len(fake.queries) == 1
    assert fake.asked.count("StartQueryExecution") == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_stopped_cancels_its_query_and_waits_for_its_end(
    stop: type[BaseException], aws: Aws, fake: FakeAthena
) -> None:
    fake.replies["SELECT"] = Reply(states=["RUNNING"], scanned=777)
    meter = Meter(None)
    meter.attach(aws.athena)
    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise stop

    with pytest.raises(stop):
        AthenaEngine(aws, GROUP, "saas_datalake", pause=pause).run(query())
    assert fake.queries[0].stopped
    assert fake.queries[0].states == ["CANCELLED"]
    assert meter.snapshot().scan.scanned_bytes == 777


def test_athena_query_past_its_time_limit_is_cancelled(aws: Aws, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(states=["RUNNING"])
    engine = AthenaEngine(aws, GROUP, "saas_datalake", pause=lambda _: None, timeout_seconds=0)
    with pytest.raises(QueryTimedOut, match="QUERY_TIMEOUT_SECONDS"):
        engine.run(query())
    assert fake.queries[0].stopped


def test_a_query_cancelled_by_someone_else_is_told(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(states=["RUNNING", "CANCELLED"], reason="Query cancelled by user")
    with pytest.raises(QueryCancelled, match="cancelled on Athena's side"):
        engine.run(query())
    assert "StopQueryExecution" not in fake.asked


REASONS = [
    ("HIVE_BAD_DATA: Field amount's type DOUBLE in parquet file s3://b/x is incompatible with type decimal(12,2)",
     "Write that day again"),
    ("HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch between the table and partition schemas", "Drop the table"),
    ("SERIALIZATION_ERROR: Could not serialize column 'created_at' of type 'timestamp(3)'", "stores milliseconds"),
    ("HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split s3://b/x: not a valid Parquet File", "names the file"),
    ("Access denied when writing output to url: s3://bucket/athena-results/x.csv", "ATHENA_RESULTS_PREFIX"),
    ("Unable to verify/create output bucket bucket", "s3:GetBucketLocation"),
    ("com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied", "`shoreline iam query`"),
    ("PERMISSION_DENIED: Insufficient permissions to execute the query. glue:GetTable", "ATHENA_RESULTS_PREFIX"),
    ("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.saas_datalake.orders' does not exist", "`shoreline athena`"),
    ("SCHEMA_NOT_FOUND: line 1:15: Schema 'saas_datalake' does not exist", "`shoreline athena`"),
    ("FAILED: ParseException line 3:0 missing EOF at 'PARTITIONED'", "--check"),
    ("SYNTAX_ERROR: line 1:8: Column 'amnt' cannot be resolved", "Correct the query"),
    ("TYPE_MISMATCH: line 1:50: Cannot apply operator: integer = varchar(2)", "Correct the query"),
    ("EXCEEDED_MEMORY_LIMIT: Query exceeded per-node memory limit", "select fewer"),
    ("Query exhausted resources at this scale factor", "select fewer"),
    ("Query timeout", "select less"),
    ("GENERIC_INTERNAL_ERROR: io.trino.spi", "run it again"),
    ("Something nobody has seen", "query-0 in Athena's history"),
    ("", "query-0 in Athena's history"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "step"), REASONS, ids=[case[0][:40] for case in REASONS])
def test_a_failure_shows_athenas_own_reason_and_what_to_do(reason: str, step: str) -> None:
    error = failure(reason, "query-0")
    assert isinstance(error, QueryFailed)
    assert (reason or "Athena gives no reason") in str(error)
    assert step in error.next_step


def test_a_failed_query_is_never_an_answer(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.replies["SELECT"] = Reply(states=["RUNNING", "FAILED"], reason=REASONS[0][0])
    with pytest.raises(QueryFailed, match="HIVE_BAD_DATA"):
        engine.run(query())
    assert "GetQueryResults" not in fake.asked
    assert "StopQueryExecution" not in fake.asked


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_query_cut_off_by_the_workgroup_is_a_scan_over_the_limit(
    state: str, engine: AthenaEngine, fake: FakeAthena
) -> None:
    fake.replies["SELECT"] = Reply(
        states=["RUNNING", state], reason="Query cancelled! : Bytes scanned limit was exceeded", scanned=25_000_001
    )
    with pytest.raises(ScanTooLarge, match="cut the query off"):
        engine.run(query())


def test_setup_makes_the_workgroup_that_clients_cannot_change_and_runs_a_test_query(aws: Aws, fake: FakeAthena) -> None:
    fake.workgroups.clear()
    AthenaEngine(aws, GROUP, "saas_datalake", pause=lambda _: None).setup()
    made = fake.workgroups["shoreline"]
    assert made["EnforceWorkGroupConfiguration"] is True
    assert made["BytesScannedCutoffPerQuery"] == 25_000_000
    assert made["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert made["ResultConfiguration"] == {
        "OutputLocation": "s3://bucket/athena-results/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
        "ExpectedBucketOwner": "000000000000",
    }
    assert made["Tags"] == TAGS
    assert fake.sql == ["SELECT 1"]
    assert "QueryExecutionContext" not in fake.queries[0].request


def test_setup_brings_a_workgroup_of_other_settings_back_to_these(aws: Aws, fake: FakeAthena) -> None:
    loose = {"EnforceWorkGroupConfiguration": False, "BytesScannedCutoffPerQuery": 10**12}
    fake.workgroups["shoreline"] = {**loose, "Tags": TAGS}
    group = replace(GROUP, cut_off=100, kms_key="arn:aws:kms:us-east-1:000000000000:key/1")
    AthenaEngine(aws, group, "saas_datalake", pause=lambda _: None).setup()
    made = fake.workgroups["shoreline"]
    assert made["EnforceWorkGroupConfiguration"] is True
    assert made["BytesScannedCutoffPerQuery"] == 10_000_000
    assert made["ResultConfiguration"]["EncryptionConfiguration"] == {
        "EncryptionOption": "SSE_KMS",
        "KmsKey": "arn:aws:kms:us-east-1:000000000000:key/1",
    }


@pytest.mark.parametrize("tags", [[], [{"Key": "project", "Value": "analytics"}]])
def test_somebody_elses_workgroup_is_refused_and_left_as_it_is(
    aws: Aws, fake: FakeAthena, tags: list[dict[str, str]]
) -> None:
    theirs = {"EnforceWorkGroupConfiguration": False, "BytesScannedCutoffPerQuery": 10**12, "Tags": tags}
    fake.workgroups["analytics"] = dict(theirs)
    with pytest.raises(InputError, match="The workgroup analytics is not Shoreline's") as caught:
        AthenaEngine(aws, replace(GROUP, name="analytics"), "saas_datalake").setup()
    assert caught.value.next_step == "Name another in ATHENA_WORKGROUP, or tag this one yourself."
    assert fake.workgroups["analytics"] == theirs
    assert "UpdateWorkGroup" not in fake.asked


def test_the_accounts_primary_workgroup_is_left_alone(aws: Aws, fake: FakeAthena) -> None:
    with pytest.raises(InputError, match="primary"):
        AthenaEngine(aws, replace(GROUP, name="primary"), "saas_datalake").setup()
    assert fake.asked == []


def ddl(mode: PartitionMode = "projection") -> list[Statement]:
    return statements(CATALOG, LAKE, mode, {"orders": [(2025, 1, 10)]})


def test_tables_are_made_by_one_statement_a_call_in_order(engine: AthenaEngine, fake: FakeAthena) -> None:
    engine.create_tables(ddl("alter"))
    assert [sql.split(" (")[0].split("\n")[0] for sql in fake.sql] == [
        "SELECT 1",
        "CREATE DATABASE IF NOT EXISTS saas_datalake WITH DBPROPERTIES",
        "CREATE EXTERNAL TABLE IF NOT EXISTS saas_datalake.orders",
        "ALTER TABLE saas_datalake.orders ADD IF NOT EXISTS",
        "CREATE EXTERNAL TABLE IF NOT EXISTS saas_datalake.events",
    ]
    assert all(";" not in sql for sql in fake.sql)


def test_a_query_whose_rows_athenas_table_would_leave_out_is_not_asked(
    aws: Aws, fake: FakeAthena, tmp_path: Path
) -> None:
    generate(tmp_path, Population(5, 10, seed=1), ("orders",), [date(2025, 1, 10)], workers=1)
    engine, later = (AthenaEngine(aws, GROUP, "saas_datalake", pause=lambda _: None) for _ in range(2))
    engine.create_tables(ddl())
    engine.run(query(folder=tmp_path))
    fake.tables["saas_datalake.orders"]["Parameters"]["projection.year.range"] = "2026,2036"
    asked = len(fake.sql)
    for ask in (later.run, later.check):
        with pytest.raises(LakeError, match="orders is declared for the years 2026 to 2036") as caught:
            ask(query(folder=tmp_path))
        assert "`shoreline athena`" in str(caught.value.next_step)
    assert len(fake.sql) == asked
    later.run(query("SELECT count(*) FROM orders WHERE year = 2027", folder=tmp_path))
    later.run(query("SELECT count(*) FROM events WHERE year = 2025", folder=tmp_path))
    later.create_tables(ddl())
    later.run(query(folder=tmp_path))


def test_making_the_tables_again_drops_nothing(engine: AthenaEngine, fake: FakeAthena) -> None:
    engine.create_tables(ddl())
    engine.create_tables(ddl())
    assert not [sql for sql in fake.sql if sql.startswith("DROP")]


def test_a_table_of_another_partition_mode_is_made_anew(engine: AthenaEngine, fake: FakeAthena) -> None:
    engine.create_tables(ddl("projection"))
    engine.create_tables(ddl("msck"))
    assert [sql for sql in fake.sql if sql.startswith("DROP")] == [
        "DROP TABLE IF EXISTS saas_datalake.orders",
        "DROP TABLE IF EXISTS saas_datalake.events",
    ]
    assert "projection.enabled" not in fake.tables["saas_datalake.orders"]["Parameters"]
    assert fake.sql[-1] == "MSCK REPAIR TABLE saas_datalake.events"


def test_a_table_with_a_column_of_another_type_is_made_anew(engine: AthenaEngine, fake: FakeAthena) -> None:
    engine.create_tables(ddl())
    fake.tables["saas_datalake.orders"]["StorageDescriptor"]["Columns"][2]["Type"] = "double"
    engine.create_tables(ddl())
    assert fake.tables["saas_datalake.orders"]["StorageDescriptor"]["Columns"][2]["Type"] == "decimal(12,2)"


def test_a_table_of_the_same_name_over_other_files_is_never_dropped(engine: AthenaEngine, fake: FakeAthena) -> None:
    fake.tables["saas_datalake.orders"] = {"Name": "orders", "StorageDescriptor": {"Location": "s3://other/orders/"}}
    with pytest.raises(LakeError, match="already exists, over s3://other/orders/"):
        engine.create_tables(ddl())
    assert not [sql for sql in fake.sql if sql.startswith("DROP")]


def test_the_check_has_athena_validate_and_scans_nothing(engine: AthenaEngine, fake: FakeAthena) -> None:
    engine.check(query())
    assert fake.sql == ["EXPLAIN (TYPE VALIDATE) SELECT count(*) FROM orders WHERE year = 2025"]
    fake.replies["EXPLAIN"] = Reply(states=["FAILED"], reason="SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved")
    with pytest.raises(ShorelineError, match="cannot be resolved"):
        engine.check(query())


@pytest.fixture
def bucket(storage: Storage, tmp_path: Path) -> Storage:
    """A bucket with one day of the lake."""
    folder = tmp_path / "lake"
    generate(
        folder, Population(users=50, rows_per_day=100, seed=3), ("orders", "events"), (date(2025, 1, 10),), workers=1
    )
    for path in folder.rglob("*.parquet"):
        storage.put(f"datalake/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return storage


def test_the_athena_job_makes_the_tables_and_holds_the_prediction_against_athenas_figure(
    bucket: Storage, stack: dict[str, str], shoreline: Shoreline
) -> None:
    fake = FakeAthena({"FROM orders": Reply(scanned=4321), "FROM events": Reply(scanned=10_000_001)})
    with FaultProxy(stack["AWS_ENDPOINT_URL"], fake) as proxy:
        done = shoreline("athena", "--engine", "athena", "--json", env={"AWS_ENDPOINT_URL": proxy.url}, fresh=True)
        checked = shoreline("athena", "--engine", "athena", "--check", env={"AWS_ENDPOINT_URL": proxy.url})
    results = done.json["result"]["results"]
    assert [found["figures"]["scanned"] for found in results] == [4321, 4321, 10_000_001, 4321, 10_000_001]
    assert results[2]["figures"]["billed"] == 11_000_000
    assert all(found["query_id"] for found in results)
    assert done.exit_code == 23
    assert "over SCAN_LIMIT_BYTES" in done.errors
    assert set(fake.tables) == {"saas_datalake.orders", "saas_datalake.events"}
    assert checked.exit_code == 0, checked.errors


def test_an_endpoint_without_athena_is_told_as_such(stack: dict[str, str]) -> None:
    aws = Aws(AwsAccess(region="us-east-1", endpoint_url=stack["AWS_ENDPOINT_URL"]))
    engine = AthenaEngine(aws, GROUP, "saas_datalake", pause=lambda _: None)
    with pytest.raises(NoAthena, match="AWS_ENDPOINT_URL"):
        engine.run(query())
    with pytest.raises(NoAthena):
        engine.setup()


def test_the_setup_job_makes_the_workgroup_where_athena_answers(stack: dict[str, str], shoreline: Shoreline) -> None:
    fake = FakeAthena()
    with FaultProxy(stack["AWS_ENDPOINT_URL"], fake) as proxy:
        done = shoreline("setup", env={"AWS_ENDPOINT_URL": proxy.url, "QUERY_ENGINE": "athena"})
    assert done.exit_code == 0, done.errors
    assert "shoreline: made" in done.output
    assert fake.sql == ["SELECT 1"]


def test_a_job_that_gets_sigterm_cancels_its_query(
    bucket: Storage, stack: dict[str, str], settings: dict[str, str]
) -> None:
    fake = FakeAthena({"SELECT": Reply(states=["RUNNING"])}, workgroups=dict(READY))
    with FaultProxy(stack["AWS_ENDPOINT_URL"], fake) as proxy:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", "query", "02", "--engine", "athena"],
            env={**settings, "AWS_ENDPOINT_URL": proxy.url, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert fake.looked.wait(60)
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(60) == 143
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    assert fake.queries[0].stopped
