"""Sample orders as a first version of such a script is written: row by row into a list, a frame a day, Parquet."""

import random
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

output, rows_per_day, days = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(2025)
order_id = 0
for number in range(days):
    day = date(2025, 1, 1) + timedelta(days=number)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = []
    for _ in range(rows_per_day):
        order_id += 1
        rows.append(
            {
                "order_id": order_id,
                "user_id": random.randint(1, 1000),
                "amount": Decimal(str(round(random.lognormvariate(3.6, 0.9), 2))),
                "status": random.choices(["delivered", "shipped", "paid", "cancelled"], [58, 14, 12, 16])[0],
                "created_at": midnight + timedelta(seconds=random.randint(0, 86399)),
            }
        )
    folder = output / f"year={day.year}" / f"month={day.month:02}" / f"day={day.day:02}"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).sort_values("created_at").to_parquet(folder / "orders.parquet", index=False)
