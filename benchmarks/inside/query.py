"""One of the named queries, from its text to its answer, over a lake in a folder: guard, prediction, engine.

python -m benchmarks.inside.query FOLDER NAME

Answers twice, and reports of the second time, for which nothing of the first is kept but the loaded code: the seconds
of all of it, those of guard and prediction when the listing is warm, the bytes of column chunks that were read, and
how many times that is what the answer needs: the chunks, by the files' own footers, of the columns that stand in the
query, in the folders that it selects.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from services.lake.tables import TABLES
from services.queries.catalog import catalog_of
from services.queries.files import FolderFiles
from services.queries.named import QUERIES, read_query
from services.queries.offline.engine import DuckDbEngine
from services.queries.prediction import LakeFiles, predict

_NEEDS = {  # by query: the folder below which it reads, and the columns
    "01_orders_of_a_day": ("orders/year=2025/month=01/day=10", "order_id user_id amount status created_at"),
    "02_revenue_by_status": ("orders/year=2025/month=01", "status amount"),
    "03_event_types_of_a_day": ("events/year=2025/month=01/day=10", "event_type user_id"),
    "04_top_spenders": ("orders/year=2025/month=01", "user_id amount status"),
    "05_logins": ("events/year=2025/month=01", "user_id event_type"),
}


def main() -> None:
    """Answers the query and prints the figures."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    query = read_query(QUERIES / f"{name}.sql")
    for _ in range(2):
        began = time.perf_counter()
        catalog, lake = catalog_of("lake", TABLES), LakeFiles(FolderFiles(folder))
        engine = DuckDbEngine(lake)
        answer = engine.run(predict(query.sql, catalog, lake))
        seconds = time.perf_counter() - began
        engine.close()
    began = time.perf_counter()
    predict(query.sql, catalog, lake)
    guarding = time.perf_counter() - began
    needed = _needed(folder, *_NEEDS[name])
    print(
        json.dumps(
            {
                "seconds": seconds,
                "guard_and_prediction_seconds": guarding,
                "read_bytes": answer.scanned,
                "times_needed": answer.scanned / needed,
                "rows": answer.rows.num_rows,
            }
        )
    )


def _needed(folder: Path, below: str, columns: str) -> int:
    total = 0
    for path in (folder / below).rglob("*.parquet"):
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            chunks = map(group.column, range(metadata.num_columns))
            total += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in columns.split())
    return total


if __name__ == "__main__":
    main()
