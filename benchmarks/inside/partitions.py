"""Guard and prediction over a table of many partitions: the first time, which lists them, and with the listing warm.

python -m benchmarks.inside.partitions FOLDER cold|warm
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from services.lake.partitions import keys
from services.lake.tables import ORDERS
from services.queries.catalog import catalog_of
from services.queries.files import FolderFiles
from services.queries.prediction import LakeFiles, predict

YEARS = (2000, 2029)  # of the table's partitions
_QUERY = "SELECT status, sum(amount) FROM orders WHERE year = 2000 AND month = 1 GROUP BY status"


def main() -> None:
    """Prepares the query and reports the seconds."""
    catalog = catalog_of("lake", {"orders": replace(ORDERS, keys=keys(*YEARS))})
    lake = LakeFiles(FolderFiles(Path(sys.argv[1])))
    if sys.argv[2] == "warm":
        predict(_QUERY, catalog, lake)
    began = time.perf_counter()
    prediction = predict(_QUERY, catalog, lake)
    seconds = time.perf_counter() - began
    (scan,) = prediction.scans
    print(json.dumps({"seconds": seconds, "partitions": scan.all_partitions}))


if __name__ == "__main__":
    main()
