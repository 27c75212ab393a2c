"""Sample orders by DuckDB's range, with COPY ... PARTITION_BY."""

import sys

import duckdb

output, rows_per_day, days = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = rows_per_day * days
duckdb.execute("SET TimeZone = 'UTC'")
duckdb.execute(f"""
COPY (
    SELECT *, year(created_at) AS year, month(created_at) AS month, day(created_at) AS day
    FROM (
        SELECT range AS order_id,
               1 + CAST(floor(pow(random(), 3) * 1000) AS BIGINT) AS user_id,
               CAST(exp(3.6 + 0.9 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS DECIMAL(12, 2))
                   AS amount,
               ['delivered', 'shipped', 'paid', 'cancelled'][1 + CAST(floor(random() * 4) AS INT)] AS status,
               TIMESTAMPTZ '2025-01-01 00:00:00+00'
                   + to_milliseconds(CAST(range * 86400000.0 / {rows_per_day} AS BIGINT)) AS created_at
        FROM range({rows})
    )
) TO '{output}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (year, month, day))
""")
