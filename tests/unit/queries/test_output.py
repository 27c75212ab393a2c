"""Answers as CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from services.queries.row_formats import encode, is_numeric, text

COLUMNS = {
    "n": "int64",
    "money": "decimal128(38, 2)",
    "who": "string",
    "at": "timestamp[ms]",
    "day": "date32[day]",
    "ok": "bool",
    "none": "null",
}
ROWS: list[list[Any]] = [
    [1, Decimal("12.30"), 'a "quoted", text', datetime(2025, 1, 10, 14, 30, 0, 120000), date(2025, 1, 10), True, None],  # noqa: DTZ001
    [None, None, None, None, None, None, None],
]


def test_parquet_keeps_every_value_and_type() -> None:
    found = pq.read_table(io.BytesIO(encode(COLUMNS, ROWS, "parquet")))
    assert [list(row.values()) for row in found.to_pylist()] == ROWS
    assert found.schema.field("money").type == pa.decimal128(38, 2)


def test_json_keeps_the_digits_of_money() -> None:
    found = json.loads(encode(COLUMNS, ROWS, "json"))
    assert found[0]["money"] == "12.30"
    assert found[0]["at"] == "2025-01-10T14:30:00.120000"
    assert found[1] == dict.fromkeys(COLUMNS)


def test_csv_quotes_what_needs_it() -> None:
    body = encode(COLUMNS, ROWS, "csv")
    assert body.decode().splitlines()[1] == '1,12.30,"a ""quoted"", text",2025-01-10 14:30:00.120,2025-01-10,true,'
    assert pa_csv.read_csv(io.BytesIO(body)).num_rows == 2


def test_an_empty_answer_still_has_its_columns() -> None:
    assert encode(COLUMNS, [], "csv").decode().splitlines() == ['"n","money","who","at","day","ok","none"']
    assert json.loads(encode(COLUMNS, [], "json")) == []
    assert pq.read_table(io.BytesIO(encode(COLUMNS, [], "parquet"))).column_names == list(COLUMNS)


def test_values_on_a_terminal_are_written_as_athena_writes_them() -> None:
    assert [text(value) for value in ROWS[0]] == [
        "1", "12.30", 'a "quoted", text', "2025-01-10 14:30:00.120", "2025-01-10", "true", "NULL",
    ]  # fmt: skip
    assert [name for name, kind in COLUMNS.items() if is_numeric(kind)] == ["n", "money"]


def test_csv_safe_escapes_text_that_spreadsheets_run() -> None:
    texts = ["=HYPERLINK(1)", "@SUM", "-2+3", "+1", "\tx", "plain", "it's"]
    columns = {"t": "string", "n": "int64"}
    rows = [[text, -1] for text in texts]
    safe = encode(columns, rows, "csv", csv_safe=True).decode()
    assert [row[0] for row in csv.reader(io.StringIO(safe))][1:] == [*(f"'{text}" for text in texts[:5]), *texts[5:]]
    assert {row[1] for row in csv.reader(io.StringIO(safe))} == {"n", "-1"}
    assert encode(columns, rows[:1], "csv").decode().splitlines()[1].startswith('"=')
