"""dlt's sql_database to its filesystem destination, as Parquet by Arrow; dlt does not part by a row's day."""

import os
import sys

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = "true"

import dlt
from dlt.destinations import filesystem
from dlt.sources.sql_database import sql_table

orders = sql_table(credentials="postgresql+psycopg2://", table="orders", backend="pyarrow", chunk_size=100_000)
pipeline = dlt.pipeline("export", pipelines_dir=f"{sys.argv[1]}-state", destination=filesystem(f"file://{sys.argv[1]}"))
pipeline.run(orders, loader_file_format="parquet", write_disposition="replace").raise_on_failed_jobs()
