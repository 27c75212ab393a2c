"""Generated rows fit the sample database: their users are there."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from services.lake.generate import generate
from services.lake.population import Population
from services.postgres import sample_database as platform
from services.postgres.client import Database


def test_every_foreign_key_holds(database: Database, tmp_path: Path) -> None:
    platform.create(database, 50)
    generate(
        tmp_path, Population(users=50, rows_per_day=500, seed=1), ("orders", "events"), [date(2025, 1, 10)], workers=1
    )
    with database.connect() as connection, connection.cursor() as cursor:
        for table in ("orders", "events"):
            path = tmp_path / table / "year=2025/month=01/day=10/data.parquet"
            rows = pq.read_table(path, partitioning=None)
            text = pa.BufferOutputStream()
            csv.write_csv(rows, text, csv.WriteOptions(include_header=False))
            columns = ", ".join(rows.column_names)
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)", io.BytesIO(text.getvalue()))
            assert cursor.rowcount == rows.num_rows > 400
