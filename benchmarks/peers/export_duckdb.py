"""DuckDB's postgres scanner, its extension from its wheel: COPY with PARTITION_BY, no Python row in between."""

import os
import sys
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner as scanner

(extension,) = Path(scanner.__file__).parent.glob("extensions/*/postgres_scanner.duckdb_extension")
env = os.environ
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute("SET TimeZone = 'UTC'")
connection.execute(
    "ATTACH 'host={PGHOST} port={PGPORT} user={PGUSER} password={PGPASSWORD} dbname={PGDATABASE}' AS pg"
    " (TYPE postgres, READ_ONLY)".format(**env)
)
connection.execute(
    "COPY (SELECT order_id, user_id, amount, status, created_at, year(created_at) AS year, month(created_at) AS month,"
    f" day(created_at) AS day FROM pg.public.orders) TO '{sys.argv[1]}'"
    " (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (year, month, day))"
)
