-- Which ten users spent most in January 2025? Cancelled and refunded orders do not count.
SELECT user_id, count(*) AS orders, sum(amount) AS spent
FROM orders
WHERE year = 2025 AND month = 1 AND status NOT IN ('cancelled', 'refunded')
GROUP BY user_id
ORDER BY spent DESC, user_id
LIMIT 10
