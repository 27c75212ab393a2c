"""ADBC with pyarrow: the whole table as Arrow, amounts cast from the text that ADBC gives, partitioned Parquet."""

import os
import sys
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

env = os.environ
uri = f"postgresql://{env['PGUSER']}:{quote(env['PGPASSWORD'])}@{env['PGHOST']}:{env['PGPORT']}/{env['PGDATABASE']}"
with adbc.connect(uri) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT order_id, user_id, amount, status, created_at FROM orders")
    table = cursor.fetch_arrow_table()
amounts = table["amount"].cast(pa.string()).cast(pa.decimal128(12, 2))
table = table.set_column(2, "amount", amounts)
when = table["created_at"]
for name, part in (("year", pc.year), ("month", pc.month), ("day", pc.day)):
    table = table.append_column(name, part(when))
kinds = pa.schema([table.schema.field(name) for name in ("year", "month", "day")])
options = ds.ParquetFileFormat().make_write_options(compression="zstd")
ds.write_dataset(
    table,
    sys.argv[1],
    format="parquet",
    file_options=options,
    partitioning=ds.partitioning(kinds, flavor="hive"),
    max_partitions=4000,
)
