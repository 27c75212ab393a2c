-- What did users do on 2025-01-10, and how often?
SELECT event_type, count(*) AS events, count(DISTINCT user_id) AS users
FROM events
WHERE year = 2025 AND month = 1 AND day = 10
GROUP BY event_type
ORDER BY events DESC, event_type
