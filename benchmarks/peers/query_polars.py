"""A named query by polars' SQL over a lazy scan of the folder."""

import json
import sys
import time
from pathlib import Path

import polars as pl

folder, query = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
keys = {"year": pl.Int64, "month": pl.Int64, "day": pl.Int64}
for _ in range(2):  # the second time is told: the first loads the code, and nothing else of it is kept
    began = time.perf_counter()
    tables = {
        table: pl.scan_parquet(f"{folder}/{table}", hive_partitioning=True, hive_schema=keys)
        for table in ("orders", "events")
    }
    rows = pl.SQLContext(frames=tables).execute(query, eager=True)
    seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "rows": rows.height}))
