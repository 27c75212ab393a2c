"""pandas with psycopg2: the whole table as a frame, then partitioned Parquet."""

import sys

import pandas as pd
import sqlalchemy as sa

engine = sa.create_engine("postgresql+psycopg2://")  # libpq's own variables name the server
frame = pd.read_sql("SELECT order_id, user_id, amount, status, created_at FROM orders", engine)
when = frame["created_at"].dt
frame["year"], frame["month"], frame["day"] = when.year, when.month, when.day
frame.to_parquet(sys.argv[1], partition_cols=["year", "month", "day"], compression="zstd", index=False)
