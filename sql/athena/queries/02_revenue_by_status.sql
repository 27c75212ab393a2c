-- How many orders of January 2025 are in each status, and what are they worth?
SELECT status, count(*) AS orders, sum(amount) AS revenue
FROM orders
WHERE year = 2025 AND month = 1
GROUP BY status
ORDER BY revenue DESC, status
