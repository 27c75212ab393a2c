-- Which orders came in on 2025-01-10?
SELECT order_id, user_id, amount, status, created_at
FROM orders
WHERE year = 2025 AND month = 1 AND day = 10
ORDER BY created_at, order_id
