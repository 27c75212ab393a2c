"""The DDL that Athena runs, generated from the declared tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from services.lake.tables import TABLES
from services.queries.catalog import LakeCatalog, TableSchema, catalog_of
from services.queries.ddl import FOLDER, TableNotDeclarable, committed_tables, create_table, statements
from tests.unit.queries.lake import KEYS, ORDERS

LAKE = catalog_of("saas_datalake", TABLES)
ADDRESS = "s3://bucket/datalake"
PARTITIONS = {"orders": [(2025, 2, 1), (2025, 1, 10)], "events": [(2025, 1, 10)]}


def parsed(sql: str) -> Any:
    return sqlglot.parse_one(sql, read="athena")


def test_committed_ddl_is_current() -> None:
    """`python -m services.queries.ddl` writes it."""
    assert committed_tables() == {path.stem: path.read_text() for path in FOLDER.glob("*.sql")}


@pytest.mark.parametrize("name", TABLES)
def test_generated_table_parses_with_its_columns_and_keys(name: str) -> None:
    create = parsed(create_table(LAKE.tables[name], "saas_datalake", ADDRESS).sql)
    columns = {column.name: column.args["kind"].sql("hive").lower() for column in create.this.expressions}
    assert columns == {name: kind.replace(",", ", ") for name, kind in TABLES[name].athena_columns.items()}
    assert [key.name for key in create.find(exp.PartitionedByProperty).this.expressions] == ["year", "month", "day"]
    assert create.find(exp.LocationProperty).this.name == f"{ADDRESS}/{name}/"


def test_projection_registers_no_partitions_and_pads_folders() -> None:
    result = statements(LAKE, ADDRESS, "projection", PARTITIONS)
    assert [statement.what for statement in result] == ["database saas_datalake", "table orders", "table events"]
    assert "'projection.enabled' = 'true'" in result[1].sql
    assert "'projection.month.digits' = '2'" in result[1].sql
    assert f"'{ADDRESS}/orders/year=${{year}}/month=${{month}}/day=${{day}}/'" in result[1].sql


def test_alter_adds_each_partition_to_unprojected_table() -> None:
    sql = {statement.what: statement.sql for statement in statements(LAKE, ADDRESS, "alter", PARTITIONS)}
    assert "projection" not in sql["table orders"] + sql["table events"]
    assert sql["2 partitions of orders"] == (
        "ALTER TABLE saas_datalake.orders ADD IF NOT EXISTS\n"
        f"  PARTITION (year = 2025, month = 1, day = 10) LOCATION '{ADDRESS}/orders/year=2025/month=01/day=10/'\n"
        f"  PARTITION (year = 2025, month = 2, day = 1) LOCATION '{ADDRESS}/orders/year=2025/month=02/day=01/'"
    )


def test_alter_adds_a_hundred_partitions_per_statement() -> None:
    days = [(2025, month, day) for month in range(1, 13) for day in range(1, 21)]
    result = statements(LAKE, ADDRESS, "alter", {"orders": days})
    assert [s.sql.count("PARTITION (") for s in result if "ALTER" in s.sql] == [100, 100, 40]


def test_msck_searches_folders_of_unprojected_table() -> None:
    sql = [statement.sql for statement in statements(LAKE, ADDRESS, "msck", PARTITIONS)]
    assert sql[2] == "MSCK REPAIR TABLE saas_datalake.orders"
    assert "projection" not in "".join(sql)


def test_views_are_created_after_tables() -> None:
    views = {"january": "SELECT * FROM orders WHERE month = 1; -- of any year"}
    catalog = LakeCatalog(LAKE.database, LAKE.tables, views)
    assert statements(catalog, ADDRESS, "projection", {})[-1].sql == (
        "CREATE OR REPLACE VIEW saas_datalake.january AS\nSELECT * FROM orders WHERE month = 1"
    )


def test_quotes_and_backslashes_stay_inside_literals() -> None:
    table = replace(ORDERS, comment="it's C:\\ and 'more'", comments={"status": "a'b"})
    create = create_table(table, "lake", ADDRESS)
    assert r"COMMENT 'it\'s C:\\ and \'more\''" in create.sql
    assert r"status string COMMENT 'a\'b'" in create.sql


@pytest.mark.parametrize(
    ("columns", "token"),
    [
        ({"year": "int"}, "year"),
        ({"Amount": "int", "amount": "bigint"}, "amount"),
        ({"n": "interval day"}, "interval day"),
        ({"n": "int) LOCATION 's3://other/'--"}, "t.n"),
        ({"n": "struct<date:date>"}, "date"),
        ({"n": "array<struct<_x:int>>"}, "_x"),
    ],
)
def test_column_that_athena_cannot_declare_is_refused(columns: dict[str, str], token: str) -> None:
    with pytest.raises(TableNotDeclarable, match=re.escape(token)):
        create_table(TableSchema("t", columns, KEYS), "lake", ADDRESS)
