"""The lake holds what PostgreSQL held at one moment; only days that changed are written again."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql

from services.errors import DatabaseError, LakeError
from services.lake import copy as copy_module
from services.lake import export as export_module
from services.lake import layout
from services.lake import partitions as spans
from services.lake.declaration import ExportSource, declared_sources, from_options
from services.lake.export import ExportReport, export
from services.lake.export_plan import DaySelection
from services.lake.record import read_records
from services.lake.remote import RemoteLake
from services.lake.source import snapshot
from services.local.postgres import Cluster
from services.postgres import sample_database as platform
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.integration.lakes import no_task, upload
from tests.waiting import wait_until

Execute = Callable[[str], None]
THINGS = from_options(["public.things:at"])


@pytest.fixture
def lake(storage: Storage) -> RemoteLake:
    return RemoteLake(storage, "datalake")


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Callable[..., ExportReport]:
    def exported(
        sources: tuple[ExportSource, ...] = THINGS,
        wanted: DaySelection | None = None,
        lake: RemoteLake | None = None,
        quiet: bool = True,
        **options: Any,
    ) -> ExportReport:
        known = lake.export_record if lake else lambda _: None
        if lake and quiet:
            settle(database)
        return export(database, sources, tmp_path, wanted or DaySelection(), known, no_task, workers=2, **options)

    return exported


def settle(database: Database) -> None:
    """Waits for the end of transactions of other tests: days written during them count as changed, to be sure."""
    now = "SELECT pg_snapshot_{}(pg_current_snapshot())::text::bigint"
    last, until = database.scalar(now.format("xmax")), time.monotonic() + 60
    while database.scalar(now.format("xmin")) < last:
        assert time.monotonic() < until, "another test keeps a transaction open"
        time.sleep(0.02)


@pytest.fixture
def things(execute: Execute) -> None:
    """Three days of ten rows."""
    execute("CREATE TABLE things (n int PRIMARY KEY, at timestamptz NOT NULL, value text)")
    execute(
        "INSERT INTO things SELECT n, timestamptz '2025-01-10 00:30+00' + n * interval '144 min', 'v' || n"
        " FROM generate_series(0, 29) AS n"
    )


def days(report: ExportReport) -> dict[str, str]:
    return {str(day): why for day, why in report.tables[0].days.items()}


def rows(output: Path) -> pa.Table:
    files = sorted((output / "things").rglob("*.parquet"))
    return pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)


def test_all_readers_agree_with_postgresql(
    database: Database, run: Callable[..., ExportReport], tmp_path: Path
) -> None:
    platform.create(database, 20_000)
    report = run(declared_sources())
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(amount), sum(order_id), count(DISTINCT status), min(created_at), max(created_at),"
            " count(*) FILTER (WHERE (created_at AT TIME ZONE 'UTC')::date = '2025-01-10') FROM orders"
        )
        count, amount, ids, statuses, least, most, day = cursor.fetchone()
    expected = (count, amount, ids, statuses, day)
    assert count == 20_000 == report.tables[0].rows
    assert isinstance(amount, Decimal)

    glob = f"{tmp_path}/orders/**/*.parquet"
    with duckdb.connect() as duck:
        query = (
            "SELECT count(*), sum(amount), sum(order_id)::BIGINT, count(DISTINCT status),"
            " count(*) FILTER (WHERE year = 2025 AND month = 1 AND day = 10),"
            " epoch_ms(min(created_at)), epoch_ms(max(created_at))"
            f" FROM read_parquet('{glob}', hive_partitioning=true, hive_types={{year: INT, month: INT, day: INT}})"
        )
        by_duckdb: Any = duck.execute(query).fetchone()
    assert by_duckdb[:5] == expected

    hive: Any = pl.scan_parquet(glob, hive_schema={"year": pl.Int32, "month": pl.Int32, "day": pl.Int32}).select(
        pl.len(),
        pl.col("amount").sum(),
        pl.col("order_id").sum(),
        pl.col("status").n_unique(),
        ((pl.col("year") == 2025) & (pl.col("month") == 1) & (pl.col("day") == 10)).sum().alias("day"),
    )
    assert hive.collect().row(0) == expected

    keys = pa.schema([("year", pa.int32()), ("month", pa.int32()), ("day", pa.int32())])
    dataset = ds.dataset(tmp_path / "orders", format="parquet", partitioning=ds.partitioning(keys, flavor="hive"))
    table: Any = dataset.to_table()
    on_day = (ds.field("year") == 2025) & (ds.field("month") == 1) & (ds.field("day") == 10)
    by_pyarrow = (
        table.num_rows,
        sum(table.column("amount").to_pylist()),
        sum(table.column("order_id").to_pylist()),
        len(set(table.column("status").to_pylist())),
        dataset.count_rows(filter=on_day),
    )
    assert by_pyarrow == expected
    to_the_millisecond = [moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in (least, most)]
    times = table.column("created_at").to_pylist()
    assert [min(times), max(times)] == to_the_millisecond
    assert [round(moment.timestamp() * 1000) for moment in to_the_millisecond] == list(by_duckdb[5:])


def test_row_is_in_its_utc_day(execute: Execute, run: Callable[..., ExportReport], tmp_path: Path) -> None:
    execute("CREATE TABLE things (n int PRIMARY KEY, at timestamptz NOT NULL)")
    execute(
        "SET TimeZone = 'Asia/Tokyo';"
        "INSERT INTO things VALUES (1, '2025-01-11 08:59:59.999999'), (2, '2025-01-11 09:00')"
    )
    run()
    for number, day in ((1, 10), (2, 11)):
        found = pq.read_table(tmp_path / f"things/year=2025/month=01/day={day}/data.parquet", partitioning=None)
        assert found.column("n").to_pylist() == [number]


def test_rows_inserted_during_export_are_not_exported(
    things: None, execute: Execute, run: Callable[..., ExportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("CREATE TABLE others AS SELECT * FROM things")
    read = copy_module.copy

    def while_writing(*arguments: Any) -> Any:
        execute(
            "INSERT INTO things VALUES (100, '2025-01-10', '') ON CONFLICT DO NOTHING;"
            "UPDATE others SET value = 'new'; DELETE FROM things WHERE n < 9"
        )
        return read(*arguments)

    monkeypatch.setattr(export_module, "copy", while_writing)
    report = run(from_options(["public.things:at", "public.others:at"]))
    assert [table.rows for table in report.tables] == [30, 30]
    assert rows(tmp_path).column("n").to_pylist() == list(range(30))


def test_export_rewrites_only_changed_days(
    things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    assert days(run(lake=lake)) == {"2025-01-10": "new", "2025-01-11": "new", "2025-01-12": "new"}
    upload(tmp_path, lake)
    assert days(run(lake=lake)) == {}

    execute("INSERT INTO things VALUES (100, '2025-01-10 12:00', 'late')")
    assert days(run(lake=lake)) == {"2025-01-10": "+1 rows"}
    upload(tmp_path, lake)
    execute("UPDATE things SET value = 'changed' WHERE n = 29")
    assert days(run(lake=lake)) == {"2025-01-12": "rows changed"}
    upload(tmp_path, lake)
    execute("DELETE FROM things WHERE n = 15")
    assert days(run(lake=lake)) == {"2025-01-11": "-1 rows"}
    upload(tmp_path, lake)
    execute("UPDATE things SET at = '2025-01-13' WHERE n = 14")
    assert days(run(lake=lake)) == {"2025-01-11": "-1 rows", "2025-01-13": "new"}
    upload(tmp_path, lake)
    execute("DELETE FROM things WHERE n = 100; INSERT INTO things VALUES (101, '2025-01-10', 'instead')")
    assert days(run(lake=lake)) == {"2025-01-10": "rows changed"}
    upload(tmp_path, lake)
    assert days(run(lake=lake)) == {}
    assert lake.recorded("things").manifest.rows == 30 == len(rows(tmp_path))


def test_transaction_open_during_export_is_exported_next(
    things: None,
    database: Database,
    run: Callable[..., ExportReport],
    lake: RemoteLake,
    tmp_path: Path,
    execute: Execute,
) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE things SET value = 'late' WHERE n = 29")
        execute("UPDATE things SET value = 'early' WHERE n = 0")  # a newer transaction, which ends before
        run(lake=lake, quiet=False)
        upload(tmp_path, lake)
    assert "2025-01-12" in days(run(lake=lake))


def test_export_repeats_days_that_were_not_uploaded(
    things: None, run: Callable[..., ExportReport], lake: RemoteLake
) -> None:
    assert len(days(run(lake=lake))) == len(days(run(lake=lake))) == 3


def test_limited_export_leaves_other_days_to_the_next(
    things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    execute("UPDATE things SET value = 'changed' WHERE n IN (0, 29)")
    day = date(2025, 1, 12)
    assert days(run(wanted=DaySelection(day, day), lake=lake)) == {"2025-01-12": "rows changed"}
    upload(tmp_path, lake)
    assert days(run(lake=lake)) == {"2025-01-10": "rows changed"}


def test_full_export_writes_all_days(
    things: None, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    assert len(days(run(wanted=DaySelection(full=True), lake=lake))) == 3


def test_recreated_table_is_exported_in_full(
    things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    execute("ALTER TABLE things RENAME TO old; CREATE TABLE things AS SELECT * FROM old")
    assert len(days(run(lake=lake))) == 3
    execute("DROP TABLE things; ALTER TABLE old RENAME TO things")
    assert len(days(run(lake=lake))) == 0
    execute("ALTER TABLE things ADD COLUMN more int DEFAULT 7")
    assert len(days(run(lake=lake))) == 3


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE things DROP COLUMN value; ALTER TABLE things ADD COLUMN value text DEFAULT 'other'",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        "ALTER TYPE pair RENAME ATTRIBUTE a TO first",
    ],
)
def test_changed_enum_labels_cause_a_full_export(
    change: str, things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b int)")
    execute("ALTER TABLE things ADD COLUMN mood mood DEFAULT 'sad', ADD COLUMN pair pair DEFAULT '(1,2)'")
    run(lake=lake)
    upload(tmp_path, lake)
    assert days(run(lake=lake)) == {}
    execute(change)
    assert len(days(run(lake=lake))) == 3


@pytest.mark.parametrize("kind", ["partition", "heir"])
def test_replaced_partition_is_exported_again(
    kind: str, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    year = "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    by, attach, detach = {
        "partition": (
            "PARTITION BY RANGE (at)",
            f"ALTER TABLE things ATTACH PARTITION {{}} {year}",
            "DETACH PARTITION",
        ),
        "heir": ("", "ALTER TABLE {} INHERIT things", ""),
    }[kind]
    execute(f"CREATE TABLE things (n int, at timestamptz NOT NULL, value text) {by}")
    for name in ("before", "after"):
        execute(f"CREATE TABLE {name} (n int, at timestamptz NOT NULL, value text)")
        execute(f"INSERT INTO {name} VALUES (1, '2025-01-10', '{name}')")
    execute(attach.format("before"))
    run(lake=lake)
    upload(tmp_path, lake)
    assert days(run(lake=lake)) == {}
    let_go = f"ALTER TABLE things {detach} before" if detach else "ALTER TABLE before NO INHERIT things"
    execute(f"{let_go}; {attach.format('after')}")
    assert days(run(lake=lake)) == {"2025-01-10": "rows changed"}
    assert rows(tmp_path)["value"].to_pylist() == ["after"]


def test_table_with_foreign_partition_has_no_xmin(database: Database, execute: Execute) -> None:
    execute("CREATE FOREIGN DATA WRAPPER other; CREATE SERVER other FOREIGN DATA WRAPPER other")
    execute("CREATE TABLE things (at timestamptz NOT NULL) PARTITION BY RANGE (at)")
    execute("CREATE TABLE near PARTITION OF things FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    with snapshot(database) as seen:
        assert seen.relation(THINGS[0]).has_xmin
    year = "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"
    execute(f"CREATE FOREIGN TABLE far PARTITION OF things {year} SERVER other")
    with snapshot(database) as seen:
        assert not seen.relation(THINGS[0]).has_xmin


@pytest.mark.parametrize("signal", ["recovery.signal", "standby.signal"], ids=["restored", "failed over"])
def test_restored_server_is_exported_in_full(signal: str, tmp_path: Path, lake: RemoteLake) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "restore_command": "'false'"})
    output, earlier = tmp_path / "output", tmp_path / "earlier"

    def exported() -> ExportReport:
        return export(database, THINGS, output, DaySelection(), lake.export_record, no_task, workers=1)

    def write(statement: str) -> None:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    try:
        database = Database(cluster.start())
        write("CREATE TABLE things (n int PRIMARY KEY, at timestamptz NOT NULL, value text)")
        write("INSERT INTO things VALUES (1, '2025-01-10', 'first')")
        write("CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
        cluster.stop("immediate")  # what is replayed then keeps the checkpoint after a promotion busy
        subprocess.run(["cp", "-a", cluster.data, earlier], check=True)  # with their owner
        database = Database(cluster.start())
        for _ in range(3):
            write("UPDATE things SET value = 'lost'")
        exported()
        upload(output, lake)
        assert days(exported()) == {}
        cluster.stop()
        shutil.rmtree(cluster.data)
        earlier.rename(cluster.data)
        (cluster.data / signal).touch(mode=0o666)
        database = Database(cluster.start())
        if signal == "standby.signal":
            assert database.scalar("SELECT pg_promote()")
        wait_until(lambda: not database.scalar("SELECT pg_is_in_recovery()"))  # until then it answers, read-only
        write("UPDATE things SET value = 'again'")
        assert days(exported()) == {"2025-01-10": "new"}
    finally:
        cluster.stop()


@pytest.mark.parametrize("kind", ["standby", "no timeline told"])
def test_server_without_timeline_differs_after_restart(kind: str, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "server", {"fsync": "off", "restore_command": "'false'"})

    def origin() -> str:
        with snapshot(database) as seen:
            return seen.origin

    def restart() -> Database:
        cluster.stop()
        if kind == "standby":
            (cluster.data / "standby.signal").touch(mode=0o666)
        started = Database(cluster.start())
        return started if kind == "standby" else Database(replace(started.connection, user="plain"))

    try:
        database = Database(cluster.start())
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE plain LOGIN")
            cursor.execute(sql.SQL("ALTER ROLE plain PASSWORD {}").format(sql.Literal(database.connection.password)))
        primary = origin()
        database = restart()
        first = origin()
        assert first not in {primary, ""}
        assert origin() == first
        database = restart()
        assert origin() not in {primary, first}
        if kind == "standby":
            assert database.scalar("SELECT pg_promote()")
            assert origin() not in {primary, first}
    finally:
        cluster.stop("immediate")


def test_older_file_of_uploaded_day_is_not_uploaded(
    things: None,
    database: Database,
    execute: Execute,
    run: Callable[..., ExportReport],
    lake: RemoteLake,
    tmp_path: Path,
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    execute("UPDATE things SET value = 'changed' WHERE n = 29")
    settle(database)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    export(database, THINGS, elsewhere, DaySelection(), lake.export_record, no_task, workers=2)
    upload(elsewhere, lake)
    assert days(run(lake=lake)) == {}
    assert upload(tmp_path, lake).plans[0].send == ()
    execute("DELETE FROM things WHERE at > '2025-01-12'")
    run(lake=lake)
    report = upload(tmp_path, lake)
    assert (report.plans[0].send, len(report.plans[0].remove)) == ((), 1)


def test_vanished_days_are_removed_from_the_lake(
    things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    execute("DELETE FROM things WHERE at < '2025-01-11'")
    report = run(lake=lake)
    assert (report.tables[0].gone, days(report)) == (1, {})
    assert upload(tmp_path, lake, keep_vanished=True).plans[0].vanished == 0
    assert lake.recorded("things").manifest.rows == 30
    assert upload(tmp_path, lake).plans[0].vanished == 1
    assert lake.recorded("things").manifest.rows == 20


def test_upload_fails_when_files_differ_from_export(
    things: None, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    (tmp_path / "things/year=2025/month=01/day=11/data.parquet").unlink()
    with pytest.raises(LakeError, match="2025-01-11: PostgreSQL counted 10 rows"):
        upload(tmp_path, lake)
    assert lake.export_record("things") is None
    assert len(days(run(lake=lake))) == 3


def test_empty_export_can_be_uploaded(
    things: None, execute: Execute, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path
) -> None:
    run(lake=lake)
    upload(tmp_path, lake)
    shutil.rmtree(tmp_path / "things")
    assert days(run(lake=lake)) == {}
    report = upload(tmp_path, lake, delete=True)
    assert (report.plans[0].remove, report.rows["things"]) == ((), 30)


def test_upload_fails_when_sql_count_differs(
    things: None, run: Callable[..., ExportReport], lake: RemoteLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lake=lake)
    monkeypatch.setattr("tests.integration.lakes.count_rows", lambda *_: {date(2025, 1, 10): 10, date(2025, 1, 11): 10})
    with pytest.raises(LakeError, match="to SQL: on 2025-01-12: PostgreSQL counted 10 rows"):
        upload(tmp_path, lake)
    assert lake.export_record("things") is None


def test_streamed_day_equals_day_sorted_in_memory(
    things: None, execute: Execute, run: Callable[..., ExportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("UPDATE things SET value = 'moved' WHERE n % 3 = 0")  # to the end of the table
    run()
    whole = rows(tmp_path)
    for name, limit in (("SPAN_ROWS", 4), ("SPAN_BYTES", 1)):
        monkeypatch.setattr(spans, name, limit)
        run()
        assert rows(tmp_path) == whole
        monkeypatch.undo()
    monkeypatch.setattr(export_module, "_UNSORTED_BYTES", 10)  # wider than its statistics said
    run()
    assert rows(tmp_path) == whole


@pytest.mark.parametrize("timeout", ["idle_in_transaction_session_timeout", "transaction_timeout", "statement_timeout"])
def test_server_timeouts_do_not_end_an_export(
    timeout: str, things: None, database: Database, execute: Execute, run: Callable[..., ExportReport], tmp_path: Path
) -> None:
    if timeout == "transaction_timeout" and database.scalar("SHOW server_version_num") < "170000":
        pytest.skip("PostgreSQL 17 brought it")
    execute(f'ALTER DATABASE "{database.name}" SET {timeout} = 200')

    def slowly(_: str) -> None:
        time.sleep(0.3)  # idle for longer than the timeout

    export(database, THINGS, tmp_path, DaySelection(), slowly, no_task, workers=2)
    assert len(rows(tmp_path)) == 30


def test_row_of_many_megabytes_is_exported(
    things: None, execute: Execute, run: Callable[..., ExportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("UPDATE things SET value = repeat('x', 10000000) WHERE n = 15")
    run()
    assert max(len(str(value)) for value in rows(tmp_path)["value"].to_pylist()) == 10_000_000
    monkeypatch.setattr(export_module, "BLOCKS", copy_module.BLOCKS[:1])
    with pytest.raises(LakeError, match=r"public\.things: A row is longer"):
        run()


def test_row_groups_of_streamed_day_are_bounded(
    things: None, run: Callable[..., ExportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "SPAN_ROWS", 1)
    monkeypatch.setattr(layout, "GROUP_BYTES", 1)
    run()
    assert sum(pq.read_metadata(path).num_row_groups for path in (tmp_path / "things").rglob("*.parquet")) >= 3


@pytest.mark.parametrize("sort_by", [("value",), ("n", "at")])
def test_rows_are_in_declared_order(
    things: None,
    run: Callable[..., ExportReport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sort_by: tuple[str, ...],
) -> None:
    source = ExportSource("things", "public", "things", "at", sort_by=sort_by)
    for limit in (spans.SPAN_ROWS, 1):
        monkeypatch.setattr(spans, "SPAN_ROWS", limit)
        run((source,))
        for path in (tmp_path / "things").rglob("*.parquet"):
            values: list[Any] = pq.read_table(path, partitioning=None).column(sort_by[0]).to_pylist()
            assert values == sorted(values)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        ("CREATE VIEW seen AS SELECT * FROM things", "view"),
        ("CREATE MATERIALIZED VIEW seen AS SELECT * FROM things", "materialised view"),
        (
            (
                "CREATE TABLE seen (LIKE things) PARTITION BY RANGE (at);"
                "CREATE TABLE seen_1 PARTITION OF seen FOR VALUES FROM (MINVALUE) TO ('2025-01-11');"
                "CREATE TABLE seen_2 PARTITION OF seen DEFAULT; INSERT INTO seen SELECT * FROM things"
            ),
            "partitioned table",
        ),
        ('CREATE TABLE "See n" AS SELECT * FROM things; CREATE VIEW seen AS SELECT * FROM "See n"', "odd name"),
    ],
)
def test_other_relations_are_exported_like_tables(
    things: None, execute: Execute, run: Callable[..., ExportReport], make: str, name: str
) -> None:
    execute(make)
    assert run(from_options(["public.seen:at"])).tables[0].rows == 30


def test_export_quotes_names(execute: Execute, run: Callable[..., ExportReport], tmp_path: Path) -> None:
    execute(
        'CREATE TABLE "Odd ""Name" ("The Time" date, "select" int);INSERT INTO "Odd ""Name" VALUES (\'2025-01-10\', 1)'
    )
    source = ExportSource("things", "public", 'Odd "Name', "The Time", rename={"The Time": "at", "select": "chosen"})
    run((source,))
    assert rows(tmp_path).to_pylist() == [{"at": date(2025, 1, 10), "chosen": 1}]


def test_rows_hidden_by_policy_are_an_error(things: None, execute: Execute, database: Database, tmp_path: Path) -> None:
    role = f"reader_{database.name}"
    execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'reader'; GRANT SELECT ON things TO {role};"
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON things USING (n < 5)"
    )
    reader = Database(replace(database.connection, user=role, password="reader"))
    try:
        with pytest.raises(DatabaseError, match="row-level security"):
            export(reader, THINGS, tmp_path, DaySelection(), lambda _: None, no_task, workers=1)
    finally:
        execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_export_reports_postgresql_error(
    things: None, run: Callable[..., ExportReport], execute: Execute, tmp_path: Path
) -> None:
    execute(
        "CREATE FUNCTION fail(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n = 20 THEN"
        " RAISE EXCEPTION 'the twentieth'; END IF; RETURN n; END $$;"
        "CREATE VIEW failing AS SELECT fail(n) AS n, at FROM things"
    )
    with pytest.raises(DatabaseError, match="the twentieth"):
        run(from_options(["public.failing:at"]))
    assert not read_records(tmp_path)


def test_sort_by_unexported_column_is_refused(execute: Execute, run: Callable[..., ExportReport]) -> None:
    execute("CREATE TABLE things (at date PRIMARY KEY, tags text[])")
    for column in ("tags", "nothing"):
        with pytest.raises(LakeError, match=f"by {column}"):
            run((ExportSource("things", "public", "things", "at", sort_by=(column,)),))


def test_export_rejects_undeclared_years(
    database: Database, execute: Execute, run: Callable[..., ExportReport]
) -> None:
    platform.create(database, 5)
    execute("INSERT INTO orders (user_id, amount, status, created_at) VALUES (1, 1, 'paid', '2031-01-01')")
    with pytest.raises(LakeError, match="rows of 2031"):
        run(declared_sources())


def test_sample_table_with_other_columns_is_refused(execute: Execute, run: Callable[..., ExportReport]) -> None:
    execute(
        "CREATE TABLE orders (order_id bigint, user_id bigint, amount numeric(10,3), status text,"
        " created_at timestamptz)"
    )
    with pytest.raises(LakeError, match=r"amount: decimal128.10, 3. in PostgreSQL, decimal128.12, 2. in the lake"):
        run(declared_sources()[:1])


def test_export_dry_run_writes_nothing(things: None, run: Callable[..., ExportReport], tmp_path: Path) -> None:
    planned = run(dry_run=True)
    assert not list(tmp_path.iterdir())
    assert days(planned) == days(run())


def test_second_export_and_upload_have_nothing_to_do(shoreline: Shoreline, database: Database, tmp_path: Path) -> None:
    platform.create(database, 5)
    (tmp_path / "lake.toml").write_text(
        '[tables.people]\nsource = "users"\ntime_column = "created_at"\nleave_out = ["email"]\n'
    )
    first = shoreline("export", "--json", fresh=True).json["result"]["tables"][0]
    assert (first["name"], first["rows"], first["files"]) == ("people", 5, 5)
    assert "5 rows" in shoreline("upload").output
    unchanged = shoreline("export").output
    assert "5 unchanged" in unchanged
    assert "No day has changed." in unchanged
    asked = shoreline(
        "query", "SELECT count(*) AS people FROM people WHERE year = 2025 AND month = 1", "--format", "csv"
    )
    assert asked.output.splitlines()[:2] == ['"people"', "5"]
    assert "people" in shoreline("tables").output
    wrong = shoreline("export", "--table", "public.orders")
    assert wrong.exit_code == 2
    assert "Traceback" not in wrong.errors


def test_missing_declaration_file_is_reported(shoreline: Shoreline) -> None:
    outcome = shoreline("export", "--file", "nope.toml")
    assert outcome.exit_code == 2
    assert "nope.toml cannot be read: no such file or directory." in outcome.errors
