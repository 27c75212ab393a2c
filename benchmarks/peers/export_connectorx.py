"""connectorx with polars: two connections that share the table by key, partitioned Parquet."""

import os
import sys
from urllib.parse import quote

import connectorx as cx
import polars as pl

env = os.environ
uri = f"postgresql://{env['PGUSER']}:{quote(env['PGPASSWORD'])}@{env['PGHOST']}:{env['PGPORT']}/{env['PGDATABASE']}"
query = "SELECT order_id, user_id, amount, status, created_at FROM orders"
table = cx.read_sql(uri, query, partition_on="order_id", partition_num=2, return_type="arrow")
when = pl.col("created_at").dt
frame = pl.from_arrow(table).with_columns(
    pl.col("amount").cast(pl.Decimal(12, 2)),
    when.year().alias("year"),
    when.month().alias("month"),
    when.day().alias("day"),
)
frame.write_parquet(sys.argv[1], compression="zstd", partition_by=["year", "month", "day"])
