"""awswrangler's route: pg8000 into a frame, the frame into the bucket as partitioned Parquet."""

import os
import sys

import awswrangler as wr
import pg8000

env = os.environ
connection = pg8000.connect(
    env["PGUSER"], host=env["PGHOST"], port=int(env["PGPORT"]), database=env["PGDATABASE"], password=env["PGPASSWORD"]
)
frame = wr.postgresql.read_sql_query("SELECT order_id, user_id, amount, status, created_at FROM orders", con=connection)
connection.close()
when = frame["created_at"].dt
frame["year"], frame["month"], frame["day"] = when.year, when.month, when.day
wr.s3.to_parquet(
    frame, sys.argv[1], dataset=True, partition_cols=["year", "month", "day"], compression="zstd", index=False
)
