-- Orders number %(first)s to %(last)s: a few users buy most (the cube), amounts are log-normal, time runs through 2025.
INSERT INTO public.orders (order_id, user_id, amount, status, created_at)
SELECT id,
       1 + floor(power(random(), 3) * %(users)s)::bigint,
       round((exp(3.6 + 0.9 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())))::numeric, 2),
       CASE WHEN luck < 0.08 THEN 'pending' WHEN luck < 0.25 THEN 'paid' WHEN luck < 0.40 THEN 'shipped'
            WHEN luck < 0.90 THEN 'delivered' WHEN luck < 0.96 THEN 'cancelled' ELSE 'refunded' END,
       timestamptz '2025-01-01 00:00:00+00'
           + (id - 1 + random()) / %(last)s * interval '365 days'
FROM (SELECT id, random() AS luck FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id) AS drawn;
