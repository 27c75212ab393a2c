"""Every type of PostgreSQL is kept exactly, or refused by column and reason."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.errors import LakeError
from services.lake.declaration import ExportSource
from services.lake.export import ExportReport, export
from services.lake.export_plan import DaySelection
from services.postgres.client import Connection, Database
from tests.integration.lakes import no_task

Execute = Callable[[str], None]


@pytest.fixture(scope="module")
def shared(server: Connection) -> Iterator[Database]:
    """One database for all types: what is tested is in a table of the test's own schema."""
    made = Database(server).sibling(f"test_{uuid.uuid4().hex[:12]}")
    made.create()
    yield made
    made.drop()


@pytest.fixture
def schema() -> str:
    return f"s{uuid.uuid4().hex[:12]}"


@pytest.fixture
def execute(shared: Database, schema: str) -> Execute:
    def run(statements: str) -> None:
        with shared.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}")
            cursor.execute(statements)

    return run


@pytest.fixture
def run(shared: Database, schema: str, tmp_path: Path) -> Callable[..., ExportReport]:
    def exported(**options: Any) -> ExportReport:
        source = ExportSource("things", schema, "things", "at", **options)
        return export(shared, [source], tmp_path, DaySelection(), lambda _: None, no_task, workers=2)

    return exported


def make(execute: Execute, kind: str, *values: str, before: str = "") -> None:
    """A table of rows numbered from 0, with a column of the type."""
    rows = ", ".join(f"({number}, '2025-01-10 10:00+00', {value})" for number, value in enumerate(values))
    execute(f"{before}; CREATE TABLE things (n int PRIMARY KEY, at timestamptz NOT NULL, value {kind})")
    execute(f"INSERT INTO things VALUES {rows}")


def stored(output: Path, day: str = "year=2025/month=01/day=10", table: str = "things") -> tuple[str, list[Any]]:
    """The column's type and values, in the order of the rows' numbers."""
    rows = pq.read_table(output / table / day / "data.parquet", partitioning=None).sort_by("n")
    return str(rows.schema.field("value").type), rows.column("value").to_pylist()


KEPT: list[tuple[str, str, dict[str, Any]]] = [
    ("smallint", "int16", {"-32768": -32768, "32767": 32767, "NULL": None}),
    ("integer", "int32", {"-2147483648": -(2**31), "2147483647": 2**31 - 1, "NULL": None}),
    ("bigint", "int64", {"-9223372036854775808": -(2**63), "9223372036854775807": 2**63 - 1, "NULL": None}),
    ("oid", "int64", {"4294967295": 4294967295}),
    (
        "numeric(12,2)",
        "decimal128(12, 2)",
        {"0": Decimal("0.00"), "-9999999999.99": Decimal("-9999999999.99"), "0.01": Decimal("0.01"), "NULL": None},
    ),
    ("numeric(38,0)", "decimal128(38, 0)", {"9" * 38: Decimal("9" * 38)}),
    ("numeric(38,37)", "decimal128(38, 37)", {"1." + "3" * 37: Decimal("1." + "3" * 37)}),
    ("numeric(3,5)", "decimal128(5, 5)", {"0.00123": Decimal("0.00123")}),
    ("numeric(3,-2)", "decimal128(5, 0)", {"12345": Decimal(12300)}),
    ("real", "float", {"'0.1'": 0.10000000149011612, "'Infinity'": math.inf, "'-Infinity'": -math.inf, "NULL": None}),
    (
        "double precision",
        "double",
        {"0.1": 0.1, "'5e-324'": 5e-324, "1.7976931348623157e308": 1.7976931348623157e308, "'-Infinity'": -math.inf},
    ),
    ("boolean", "bool", {"true": True, "false": False, "NULL": None}),
    (
        "text",
        "string",
        {
            "''": "",
            "NULL": None,
            "'NULL'": "NULL",
            "E'two\\nlines, \"quoted\"\\r\\n'": 'two\nlines, "quoted"\r\n',
            "'žluťoučký 🐎'": "žluťoučký 🐎",
            "E'\\\\.'": "\\.",
            "' '": " ",
        },
    ),
    ("varchar(5)", "string", {"'abc'": "abc", "''": ""}),
    ("char(5)", "string", {"'abc'": "abc  "}),
    ("name", "string", {"'abc'": "abc"}),
    ("bytea", "binary", {"'\\x00ff0a22'": b'\x00\xff\n"', "''": b"", "NULL": None}),
    ("date", "date32[day]", {"'0001-01-01'": date.min, "'9999-12-31'": date.max, "NULL": None}),
    ("time", "string", {"'23:59:59.999999'": "23:59:59.999999", "'24:00'": "24:00:00"}),
    ("timetz", "string", {"'10:00+02'": "10:00:00+02"}),
    (
        "timestamp",
        "timestamp[ms]",
        {"'1969-12-31 23:59:59.999'": datetime(1969, 12, 31, 23, 59, 59, 999000), "NULL": None},  # noqa: DTZ001
    ),
    (
        "timestamptz",
        "timestamp[ms, tz=UTC]",
        {
            "'2025-03-30 02:30:00.123+02'": datetime(2025, 3, 30, 0, 30, 0, 123000, UTC),
            "'0001-01-01 00:00+00'": datetime(1, 1, 1, tzinfo=UTC),
            "'9999-12-31 23:59:59+00'": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        },
    ),
    ("interval", "string", {"'1 year 2 months -3 days 04:05:06.7'": "P1Y2M-3DT4H5M6.7S", "'0'": "PT0S"}),
    (
        "uuid",
        "string",
        {"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "NULL": None},
    ),
    ("json", "string", {"'{\"a\":  1.10}'": '{"a":  1.10}', "NULL": None}),
    ("jsonb", "string", {'\'{"a":  1.10, "b": "x,y"}\'': '{"a": 1.10, "b": "x,y"}', "'null'": "null"}),
    ("inet", "string", {"'192.0.2.1'": "192.0.2.1", "'2001:db8::/32'": "2001:db8::/32"}),
    ("cidr", "string", {"'192.0.2.0/24'": "192.0.2.0/24"}),
    ("macaddr", "string", {"'08:00:2b:01:02:03'": "08:00:2b:01:02:03"}),
    ("bit varying(8)", "string", {"B'0101'": "0101", "B''": ""}),
    ("point", "string", {"'(1.5,2)'": "(1.5,2)"}),
    ("int4range", "string", {"'[1,5)'": "[1,5)", "'empty'": "empty"}),
    ("int4multirange", "string", {"'{[1,2),[4,5)}'": "{[1,2),[4,5)}"}),
    ("tsvector", "string", {"'a:1 b:2'": "'a':1 'b':2"}),
    ("bigint[]", "list<element: int64>", {"'{1,NULL,-3}'": [1, None, -3], "'{}'": [], "NULL": None}),
    (
        "text[]",
        "list<element: string>",
        {
            "ARRAY['', NULL, 'NULL', 'a,b', 'c\"d', E'e\\\\f', '{g}', E'h\\ni', ' j']": [
                "",
                None,
                "NULL",
                "a,b",
                'c"d',
                "e\\f",
                "{g}",
                "h\ni",
                " j",
            ]
        },
    ),
    ("boolean[]", "list<element: bool>", {"'{t,f,NULL}'": [True, False, None]}),
    ("numeric(6,3)[]", "list<element: decimal128(6, 3)>", {"'{1.5,NULL}'": [Decimal("1.500"), None]}),
    ("double precision[]", "list<element: double>", {"'{0.1,-Infinity}'": [0.1, -math.inf]}),
    ("date[]", "list<element: date32[day]>", {"'{2025-01-10}'": [date(2025, 1, 10)]}),
    (
        "timestamptz[]",
        "list<element: timestamp[ms, tz=UTC]>",
        {"'{2025-01-10 12:00+02,NULL}'": [datetime(2025, 1, 10, 10, tzinfo=UTC), None]},
    ),
    ("bytea[]", "list<element: binary>", {"ARRAY['\\x00ff'::bytea, NULL, '']": [b"\x00\xff", None, b""]}),
    (
        "uuid[]",
        "list<element: string>",
        {"'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]},
    ),
]


@pytest.fixture(scope="module")
def kept(shared: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of one export, with a table for each of KEPT, by its number."""
    output = tmp_path_factory.mktemp("kept")
    with shared.connect() as connection, connection.cursor() as cursor:
        for number, (kind, _, values) in enumerate(KEPT):
            cursor.execute(f"CREATE TABLE kept_{number} (n int, at timestamptz, value {kind})")
            rows = ", ".join(f"({place}, '2025-01-10', {value})" for place, value in enumerate(values))
            cursor.execute(f"INSERT INTO kept_{number} VALUES {rows}")
    sources = [ExportSource(f"kept_{number}", "public", f"kept_{number}", "at") for number in range(len(KEPT))]
    export(shared, sources, output, DaySelection(), lambda _: None, no_task, workers=2)
    return output


@pytest.mark.parametrize(("number", "case"), list(enumerate(KEPT)), ids=[kind for kind, _, _ in KEPT])
def test_type_is_stored_exactly(kept: Path, number: int, case: tuple[str, str, dict[str, Any]]) -> None:
    _, arrow, values = case
    assert stored(kept, table=f"kept_{number}") == (arrow, list(values.values()))


def test_nan_is_stored_in_floats(execute: Execute, run: Callable[..., ExportReport], tmp_path: Path) -> None:
    make(execute, "double precision", "'NaN'")
    run()
    assert math.isnan(stored(tmp_path)[1][0])


@pytest.mark.parametrize(
    ("before", "kind", "value", "arrow", "kept"),
    [
        ("CREATE TYPE mood AS ENUM ('sad', 'so, so')", "mood", "'so, so'", "string", "so, so"),
        (
            "CREATE TYPE mood AS ENUM ('sad', 'so, so')",
            "mood[]",
            "'{sad,\"so, so\"}'",
            "list<element: string>",
            ["sad", "so, so"],
        ),
        ("CREATE DOMAIN price AS numeric(8,2) CHECK (VALUE > 0)", "price", "1.5", "decimal128(8, 2)", Decimal("1.50")),
        (
            "CREATE DOMAIN price AS numeric(8,2); CREATE DOMAIN cheap AS price CHECK (VALUE < 9)",
            "cheap[]",
            "'{1.5}'",
            "list<element: decimal128(8, 2)>",
            [Decimal("1.50")],
        ),
        ("CREATE DOMAIN tags AS text[]", "tags", "'{a}'", "list<element: string>", ["a"]),
        (
            "CREATE TYPE pair AS (amount numeric, at date)",
            "pair",
            "ROW(1.10, '2025-01-10')::pair",
            "string",
            '{"amount":1.10,"at":"2025-01-10"}',
        ),
    ],
)
def test_user_defined_type_is_stored_by_its_base(
    execute: Execute,
    run: Callable[..., ExportReport],
    tmp_path: Path,
    before: str,
    kind: str,
    value: str,
    arrow: str,
    kept: Any,
) -> None:
    make(execute, kind, value, before=before)
    run()
    assert stored(tmp_path) == (arrow, [kept])


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("numeric", "1", "value: numeric without precision and scale"),
        ("numeric(39,0)", "1", "value: numeric of 39 digits"),
        ("money", "1", "value: the digits of money"),
        ("int4[]", "'{{1,2},{3,4}}'", "value holds an array with several dimensions"),
        ("int4[]", "'[0:1]={1,2}'", "value holds an array with a lower bound"),
        ("box[]", "'{(1,1),(0,0)}'", "value: an array of box"),
        ("numeric(5,2)", "'NaN'", "value holds a value that decimal128.5, 2. cannot represent: .*NaN"),
        ("date", "'infinity'", "value holds a value that date32.day. cannot represent: .*infinity"),
        ("date", "'0044-03-15 BC'", "value holds a value that .* cannot represent: .*0044-03-15 BC"),
        ("date", "'10000-01-01'", "value holds a value that .* cannot represent: .*10000-01-01"),
        ("timestamptz", "'-infinity'", "value holds a value that timestamp.ms, tz=UTC. cannot represent: .*-infinity"),
        ("timestamp", "'0044-03-15 10:00 BC'", "value holds a value that .* cannot represent: .*BC"),
        ("timestamp", "'10000-01-01 10:00'", "value holds a value that .* cannot represent: .*10000-01-01"),
        ("date[]", "'{infinity}'", "value holds an array with a value .* cannot represent"),
    ],
)
def test_unsupported_value_is_refused_with_column_and_reason(
    execute: Execute, run: Callable[..., ExportReport], kind: str, value: str, reason: str
) -> None:
    make(execute, kind, value)
    with pytest.raises(LakeError, match=reason):
        run()


@pytest.mark.parametrize(
    ("kind", "value"), [("numeric", "1.50"), ("date", "'infinity'"), ("money", "1"), ("int4[]", "'{{1,2},{3,4}}'")]
)
def test_unsupported_column_can_be_omitted_or_text(
    execute: Execute, run: Callable[..., ExportReport], tmp_path: Path, kind: str, value: str
) -> None:
    make(execute, kind, value)
    run(leave_out=("value",))
    day = tmp_path / "things/year=2025/month=01/day=10/data.parquet"
    assert pq.read_schema(day).names == ["n", "at"]
    run(types={"value": "string"})
    assert stored(tmp_path)[0] == "string"


@pytest.mark.parametrize("options", [{"leave_out": ("at",)}, {"types": {"at": "string"}}])
def test_time_column_cannot_be_changed(
    execute: Execute, run: Callable[..., ExportReport], options: dict[str, Any]
) -> None:
    make(execute, "int4", "1")
    with pytest.raises(LakeError, match="at: the time column"):
        run(**options)


def test_numeric_with_forced_scale_is_not_rounded(
    execute: Execute, run: Callable[..., ExportReport], tmp_path: Path
) -> None:
    make(execute, "numeric", "1.25", "1234")
    run(types={"value": "decimal(6,2)"})
    assert stored(tmp_path) == ("decimal128(6, 2)", [Decimal("1.25"), Decimal("1234.00")])
    execute("INSERT INTO things VALUES (3, '2025-01-10', 1.255)")
    with pytest.raises(LakeError, match=r"\.things: value holds a value that decimal128.6, 2. cannot represent"):
        run(types={"value": "decimal(6,2)"})


def test_microseconds_are_truncated_and_counted(
    execute: Execute, run: Callable[..., ExportReport], tmp_path: Path
) -> None:
    execute("CREATE TABLE things (n int PRIMARY KEY, at timestamptz NOT NULL, value timestamptz)")
    execute("INSERT INTO things VALUES (1, '1969-12-31 23:59:59.9999+00', '2025-01-10 10:00:00.0019+00')")
    execute("INSERT INTO things VALUES (2, '1969-12-31 23:00:00+00', '2025-01-10 10:00:00.001+00')")
    table = run().tables[0]
    assert table.cut == {"at": 1, "value": 1}
    assert list(table.days) == [date(1969, 12, 31)]
    assert stored(tmp_path, "year=1969/month=12/day=31")[1] == [datetime(2025, 1, 10, 10, 0, 0, 1000, UTC)] * 2


def test_all_unsupported_columns_are_listed_together(execute: Execute, run: Callable[..., ExportReport]) -> None:
    execute(
        'CREATE TABLE things (at timestamptz, a numeric, b money, year int, "no name" int, "A" int, c int, "C" int)'
    )
    with pytest.raises(LakeError) as caught:
        run()
    for expected in (
        "a: numeric",
        "b: the digits",
        "year: reserved",
        "no name: not a valid name",
        "c: two columns",
    ):
        assert expected in str(caught.value)
    assert "  A:" not in str(caught.value)


@pytest.mark.parametrize("value", ["NULL", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'"])
def test_row_without_a_day_is_an_error(
    execute: Execute, run: Callable[..., ExportReport], tmp_path: Path, value: str
) -> None:
    execute("CREATE TABLE things (n int, at timestamptz)")
    execute(f"INSERT INTO things VALUES (1, '2025-01-10'), (2, {value}), (3, {value})")
    with pytest.raises(LakeError, match=r"2 rows have .* in at, which is not a day"):
        run()
    assert not (tmp_path / "things").exists()


def test_not_null_column_is_required(execute: Execute, run: Callable[..., ExportReport], tmp_path: Path) -> None:
    make(execute, "int", "1")
    run()
    schema = pq.read_schema(tmp_path / "things/year=2025/month=01/day=10/data.parquet")
    assert [field.nullable for field in schema] == [False, False, True]
