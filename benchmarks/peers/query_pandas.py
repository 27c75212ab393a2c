"""The named queries by hand in pandas: partitions and columns pruned by read_parquet, the rest in memory."""

import json
import sys
import time
from pathlib import Path

import pandas as pd

folder, name = Path(sys.argv[1]), Path(sys.argv[2]).stem
MONTH = [("year", "==", 2025), ("month", "==", 1)]
DAY = [*MONTH, ("day", "==", 10)]


def read(table, columns, filters):
    return pd.read_parquet(folder / table, columns=columns, filters=filters)


def answer():
    if name.startswith("01"):
        rows = read("orders", ["order_id", "user_id", "amount", "status", "created_at"], DAY)
        rows = rows.sort_values(["created_at", "order_id"])
    elif name.startswith("02"):
        rows = read("orders", ["status", "amount"], MONTH).groupby("status")["amount"].agg(["count", "sum"])
        rows = rows.sort_values("sum", ascending=False)
    elif name.startswith("03"):
        rows = read("events", ["event_type", "user_id"], DAY).groupby("event_type")["user_id"].agg(["count", "nunique"])
        rows = rows.sort_values("count", ascending=False)
    elif name.startswith("04"):
        rows = read(
            "orders", ["user_id", "amount", "status"], [*MONTH, ("status", "not in", {"cancelled", "refunded"})]
        )
        rows = rows.groupby("user_id")["amount"].agg(["count", "sum"]).sort_values("sum", ascending=False).head(10)
    else:
        rows = read("events", ["user_id"], [*MONTH, ("event_type", "==", "login")])
        rows = rows.groupby("user_id").size().sort_values(ascending=False)
    return rows


for _ in range(2):  # the second time is told: the first loads the code, and nothing else of it is kept
    began = time.perf_counter()
    rows = answer()
    seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "rows": len(rows)}))
