-- Events number %(first)s to %(last)s: a few users do most, time runs through 2025.
INSERT INTO public.events (event_id, user_id, event_type, payload, created_at)
SELECT id,
       1 + floor(power(random(), 3) * %(users)s)::bigint,
       CASE WHEN luck < 0.01 THEN 'signup' WHEN luck < 0.16 THEN 'login' WHEN luck < 0.66 THEN 'page_view'
            WHEN luck < 0.88 THEN 'click' WHEN luck < 0.90 THEN 'purchase' ELSE 'logout' END,
       jsonb_build_object('session', md5(id::text), 'path', '/page/' || floor(random() * 40)::int, 'ms', floor(random() * 4000)::int),
       timestamptz '2025-01-01 00:00:00+00'
           + (id - 1 + random()) / %(last)s * interval '365 days'
FROM (SELECT id, random() AS luck FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id) AS drawn;
