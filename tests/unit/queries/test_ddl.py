"""The tables' DDL: what Athena takes, in its order, and what the lake declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import LakeError
from services.lake.tables import TABLES
from services.queries.catalog import LakeCatalog, catalog_of
from services.queries.ddl import parse_table, statements
from services.queries.ddl.statements import TABLES as FOLDER
from services.queries.ddl.statements import read_tables
from services.queries.ddl.words import DdlRefused, tokens
from tests.unit.queries.lake import ORDERS

LAKE = catalog_of("saas_datalake", TABLES)
ADDRESS = "s3://bucket/datalake"
MADE = read_tables(LAKE, ADDRESS)
PARTITIONS = {"orders": [(2025, 2, 1), (2025, 1, 10)], "events": [(2025, 1, 10)]}
SMALL = "CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET LOCATION 's3://b/t/'"


def text(name: str = "orders") -> str:
    return (FOLDER / f"{name}.sql").read_text().replace("{{lake}}", ADDRESS).replace("{{database}}", "saas_datalake")


def test_every_declared_table_has_a_file_that_athena_takes_and_that_says_the_same() -> None:
    assert set(MADE) == set(TABLES) == {path.stem for path in FOLDER.glob("*.sql")}
    for name, table in MADE.items():
        assert {column.name: column.kind for column in table.columns} == TABLES[name].athena_columns
        assert table.projected
        assert table.location == f"{ADDRESS}/{name}/"


def test_a_rendered_table_reads_as_the_same_table() -> None:
    for table in MADE.values():
        assert parse_table(str(table)) == table


def test_projection_registers_no_partitions_and_names_zero_padded_folders() -> None:
    made = statements(LAKE, MADE, "projection", PARTITIONS)
    assert [statement.what for statement in made] == ["database saas_datalake", "table orders", "table events"]
    orders = made[1].sql
    assert "'projection.enabled' = 'true'" in orders
    assert "'projection.month.digits' = '2'" in orders
    assert f"'{ADDRESS}/orders/year=${{year}}/month=${{month}}/day=${{day}}/'" in orders


def test_alter_adds_each_partition_with_its_folder_to_a_table_without_projection() -> None:
    made = {statement.what: statement.sql for statement in statements(LAKE, MADE, "alter", PARTITIONS)}
    assert "projection" not in made["table orders"] + made["table events"]
    assert made["2 partitions of orders"] == (
        "ALTER TABLE saas_datalake.orders ADD IF NOT EXISTS\n"
        f"  PARTITION (year = 2025, month = 1, day = 10) LOCATION '{ADDRESS}/orders/year=2025/month=01/day=10/'\n"
        f"  PARTITION (year = 2025, month = 2, day = 1) LOCATION '{ADDRESS}/orders/year=2025/month=02/day=01/'"
    )


def test_alter_takes_a_hundred_partitions_a_statement() -> None:
    days = [(2025, month, day) for month in range(1, 13) for day in range(1, 21)]
    made = [s.sql.count("PARTITION (") for s in statements(LAKE, MADE, "alter", {"orders": days}) if "ALTER" in s.sql]
    assert made == [100, 100, 40]


def test_msck_looks_for_the_folders_of_a_table_without_projection() -> None:
    made = [statement.sql for statement in statements(LAKE, MADE, "msck", PARTITIONS)]
    assert made[2] == "MSCK REPAIR TABLE saas_datalake.orders"
    assert "projection" not in "".join(made)


def test_views_are_made_after_the_tables() -> None:
    catalog = LakeCatalog(
        LAKE.database, LAKE.tables, {"january": "SELECT * FROM orders WHERE month = 1; -- of any year"}
    )
    assert statements(catalog, MADE, "projection", {})[-1].sql == (
        "CREATE OR REPLACE VIEW saas_datalake.january AS\nSELECT * FROM orders WHERE month = 1"
    )


@pytest.mark.parametrize(
    "ddl",
    [
        SMALL,
        SMALL + ";",
        SMALL.replace("TABLE t", "TABLE IF NOT EXISTS db.t"),
        SMALL.replace(
            "a int", "`date` date COMMENT 'it''s', b decimal(12,2), c array<struct<x:int,y:map<string,int>>>"
        ),
        SMALL.replace(" STORED", " COMMENT 'x' PARTITIONED BY (y int) ROW FORMAT SERDE 'a.b' STORED"),
        SMALL.lower().replace("stored as parquet", "/* how */ stored as orc -- really\n"),
        SMALL + " TBLPROPERTIES ('a' = 'b', 'c'='d')",
        SMALL.replace("a int", "a varchar(10), b char(3), c timestamp, d binary, e tinyint, f smallint, g float"),
    ],
)
def test_what_athena_takes_is_read(ddl: str) -> None:
    assert parse_table(parse_table(ddl).__str__()).name == "t"


@pytest.mark.parametrize(
    ("ddl", "words"),
    [
        ("CREATE TABLE t (a int)", "line 1, column 8: expected CREATE EXTERNAL TABLE, found TABLE"),
        (SMALL.replace("EXTERNAL TABLE", "EXTERNAL TABEL"), "found TABEL"),
        (SMALL.replace("TABLE t", "TABLE IF EXISTS t"), "IF NOT EXISTS"),
        (SMALL.replace(" STORED AS PARQUET", ""), "expected STORED (the order of the clauses"),
        (
            "CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/t/' STORED AS PARQUET",
            "expected STORED (the order of the clauses is COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, LOCATION",
        ),
        (SMALL + " PARTITIONED BY (y int)", "found PARTITIONED"),
        (SMALL.replace(" STORED", " PARTITIONED BY (y int) COMMENT 'x' STORED"), "found COMMENT"),
        (SMALL + " TBLPROPERTIES ('a'='b') LOCATION 's3://b/t/'", "found LOCATION"),
        (SMALL.replace("LOCATION 's3://b/t/'", "LOCATION `s3://b/t/`"), "in single quotes"),
        (SMALL.replace("LOCATION 's3://b/t/'", ""), "expected LOCATION, found the end"),
        (SMALL.replace("'s3://b/t/'", "'s3://b/t'"), "ends in '/'"),
        (SMALL.replace("'s3://b/t/'", "'/data/t/'"), "must be an s3:// folder"),
        (SMALL.replace("a int", "a integer"), "expected a type of Athena's, found integer"),
        (SMALL.replace("a int", "a text"), "expected a type"),
        (SMALL.replace("a int", "a uuid"), "expected a type"),
        (SMALL.replace("a int", "a decimal"), "expected (, found )"),
        (SMALL.replace("a int", "a decimal(12)"), "expected ,"),
        (SMALL.replace("a int", "date date"), "reserved words stand in backticks"),
        (SMALL.replace("a int", "_a int"), "names that begin with _"),
        (SMALL.replace("a int", '"a" int'), "begins nothing that Athena's DDL knows"),
        (SMALL.replace("a int", "a int NOT NULL"), "expected ), found NOT"),
        (SMALL.replace("a int", "a int,"), "a column's name"),
        (SMALL.replace("(a int)", "()"), "a column's name"),
        (SMALL.replace("a int", "a int, a bigint"), "a is named twice"),
        (SMALL.replace(" STORED", " PARTITIONED BY (a int) STORED"), "a is named twice"),
        (SMALL.replace(" STORED", " PARTITIONED BY (y) STORED"), "expected a type"),
        (SMALL.replace("PARQUET", "PARKET"), "expected a format"),
        (SMALL + " TBLPROPERTIES ('a'='b' 'c'='d')", "expected )"),
        (SMALL + " TBLPROPERTIES (a='b')", "a property's name in single quotes"),
        (SMALL + " TBLPROPERTIES ('a'='b','a'='c')", "there twice"),
        (SMALL + "; DROP TABLE t", "expected the end, found DROP"),
        ("", "expected CREATE EXTERNAL TABLE, found the end"),
        (SMALL + " TBLPROPERTIES ('a'='b", "begins nothing"),
    ],
)
def test_what_athena_does_not_take_is_refused_with_its_place(ddl: str, words: str) -> None:
    with pytest.raises(DdlRefused) as refused:
        parse_table(ddl)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("amount decimal(12,2)", "amount double", "column amount is double, and the lake declares decimal(12,2)"),
        ("  status string,\n", "", "column status is not there, and the lake declares string"),
        ("user_id bigint,", "user_id bigint,\n  extra int,", "column extra is not declared"),
        ("order_id bigint,\n  user_id bigint", "user_id bigint,\n  order_id bigint", "in another order"),
        ("month int, day int", "month string, day int", "partition keys are not year int, month int, day int"),
        ("year int, month int", "month int, year int", "partition keys are not"),
        ("2024,2030", "2024,2029", "projection.year.range is '2024,2029', and the lake declares 2024,2030"),
        ("'projection.day.digits' = '2'", "'projection.day.digits' = '1'", "projection.day.digits is 1"),
        ("  'projection.month.digits' = '2',\n", "", "projection.month.digits is 1"),
        ("/day=${day}/'", "/'", "does not name ${day}"),
        ("month=${month}", "m=${month}", "does not name the folder month="),
        ("/day=${day}/'", "/day=${day}'", "storage.location.template must end in '/'"),
        ("'projection.day.type' = 'integer'", "'projection.day.type' = 'enum'", "projection.day.type must be"),
        ("'1,31'", "'31'", "projection.day.range must be two whole numbers"),
        ("'projection.enabled'", "'projection.hour.type' = 'integer',\n  'projection.enabled'", "of no partition key"),
        ("TABLE IF NOT EXISTS saas_datalake.orders", "TABLE saas_datalake.ordres", "the table is named ordres"),
        (f"'{ADDRESS}/orders/year", "'s3://other/orders/year", "is not below LOCATION"),
    ],
)
def test_what_athena_would_take_and_then_answer_wrongly_is_refused(old: str, new: str, words: str) -> None:
    assert old in text()
    with pytest.raises(DdlRefused) as refused:
        parse_table(text().replace(old, new), ORDERS)
    assert words in str(refused.value)


def test_all_differences_are_told_at_once() -> None:
    wrong = text().replace("status string", "status int").replace("'1,31'", "'1,30'")
    with pytest.raises(DdlRefused) as refused:
        parse_table(wrong, ORDERS, source="orders.sql")
    assert len(str(refused.value).splitlines()) == 3
    assert str(refused.value).startswith("orders.sql needs attention:")


def test_a_table_without_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"orders has no DDL: there is no .*orders\.sql"):
        read_tables(LAKE, ADDRESS, tmp_path)


@given(st.text(alphabet="a`'1,\n .", max_size=60))
def test_token_positions_count_lines_and_columns(text: str) -> None:
    try:
        found = tokens(text)
    except DdlRefused:
        return
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for token in found[:-1]:
        assert text.startswith(token.text, starts[token.line - 1] + token.column - 1)
    assert found[-1].line == text.count("\n") + 1


def test_table_of_many_columns_is_parsed() -> None:
    columns = ", ".join(f"c{number} int" for number in range(20_000))
    table = parse_table(f"CREATE EXTERNAL TABLE t ({columns}) STORED AS PARQUET LOCATION 's3://b/t/'")
    assert len(table.columns) == 20_000
