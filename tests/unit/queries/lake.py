"""A small catalog of the lake's shape, with a declared range of 7 years, for tests."""

from services.lake.partitions import PartitionKey
from services.queries.catalog import LakeCatalog, TableSchema

KEYS = (PartitionKey("year", 2024, 2030, 4), PartitionKey("month", 1, 12, 2), PartitionKey("day", 1, 31, 2))
ORDERS = TableSchema(
    "orders",
    {
        "order_id": "bigint",
        "user_id": "bigint",
        "amount": "decimal(12,2)",
        "status": "string",
        "created_at": "timestamp",
    },
    KEYS,
    "created_at",
)
EVENTS = TableSchema(
    "events",
    {
        "event_id": "bigint",
        "user_id": "bigint",
        "event_type": "string",
        "payload": "string",
        "created_at": "timestamp",
    },
    KEYS,
    "created_at",
)
VIEWS = {
    "all_orders": "SELECT * FROM orders",
    "january_orders": "SELECT order_id, user_id, amount FROM orders WHERE year = 2025 AND month = 1",
    "january_again": "SELECT * FROM january_orders",
    "loop": "SELECT * FROM loop",
}
LAKE = LakeCatalog("saas_datalake", {"orders": ORDERS, "events": EVENTS}, VIEWS)
