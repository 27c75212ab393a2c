"""Measures what the lake's orders take as Parquet, as CSV and as gzipped CSV, and the share that a query reads.

    python -m benchmarks.formats --rows-per-day 100000 --days 31

The results go to services/cost_analysis/measurements/formats.json, from which `shoreline cost` calculates.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks.harness.record import machine
from services.cost_analysis.model.figures import MEASUREMENTS
from services.lake.generate import generate
from services.lake.population import Population

RESULTS = MEASUREMENTS / "formats.json"
QUESTION = ("status", "amount")  # revenue by status


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows-per-day", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    results = measure(options.rows_per_day, options.days)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written: {options.output}")


def measure(rows_per_day: int, days: int) -> dict[str, Any]:
    """Bytes of the same rows in each format."""
    found: dict[str, int] = dict.fromkeys(
        ("rows", "parquet_bytes", "csv_bytes", "csv_gzip_bytes", "columns_read_bytes"), 0
    )
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        chosen = [date(2025, 1, 1) + timedelta(days=number) for number in range(days)]
        generate(root, Population(users=10_000, rows_per_day=rows_per_day, seed=42), ["orders"], chosen, workers=2)
        for path in sorted((root / "orders").rglob("*.parquet")):
            for name, size in sizes(path).items():
                found[name] += size
    return {"measured_at": datetime.now(UTC).date().isoformat(), "machine": machine(), "days": days, **found}


def sizes(path: Path) -> dict[str, int]:
    """One file's bytes in each format, and those of the columns that the question reads."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    text = io.BytesIO()
    csv.write_csv(pq.read_table(path, partitioning=None), text)
    return {
        "rows": metadata.num_rows,
        "parquet_bytes": path.stat().st_size,
        "csv_bytes": text.tell(),
        "csv_gzip_bytes": len(gzip.compress(text.getvalue(), compresslevel=6)),
        "columns_read_bytes": sum(c.total_compressed_size for c in chunks if c.path_in_schema in QUESTION),
    }


if __name__ == "__main__":
    main()
