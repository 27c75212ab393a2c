-- How often did each user log in in January 2025?
SELECT user_id, count(*) AS logins
FROM events
WHERE year = 2025 AND month = 1 AND event_type = 'login'
GROUP BY user_id
ORDER BY logins DESC, user_id
