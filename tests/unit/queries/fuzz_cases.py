"""Queries that once ended as a crash: each must be refused with a reason, or answered."""

CASES = [
    "SELECT split_part('a', 'a')",
    "SELECT substr('a')",
    "SELECT CAST(1 AS decimal(day,2))",
    "SELECT 1 FROM orders o .5 .x WHERE year = 2025",
    "SELECT o .5 .x FROM orders o WHERE year = 2025",
    'SELECT CAST(order_id AS "odd; type") FROM orders WHERE year = 2025',
    "SELECT json_extract_scalar('{}', '$..a')",
    "SELECT 1 FROM orders FOR SYSTEM_TIME AS OF TIMESTAMP '2025-01-10 00:00:00' WHERE year = 2025",
    "SELECT concat('a')",
    "SELECT length('a', 5)",
    "SELECT coalesce(1)",
    "SELECT * year FROM orders WHERE orders . month = 1",
]
