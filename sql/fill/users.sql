-- Users number %(first)s to %(last)s.
INSERT INTO public.users (user_id, email, name, plan, created_at)
SELECT id,
       'user' || id || '@example.com',
       (ARRAY['Alex', 'Sam', 'Kim', 'Noa', 'Max', 'Lea', 'Ravi', 'Mei', 'Omar', 'Ines'])[1 + floor(random() * 10)::int]
           || ' ' || (ARRAY['Okafor', 'Schmidt', 'Tanaka', 'Silva', 'Novak', 'Haddad', 'Larsen', 'Rossi'])[1 + floor(random() * 8)::int],
       (CASE WHEN luck < 0.70 THEN 'free' WHEN luck < 0.88 THEN 'starter' WHEN luck < 0.98 THEN 'team' ELSE 'enterprise' END)::public.plan,
       timestamptz '2024-01-01 00:00:00+00' + random() * interval '366 days'
FROM (SELECT id, random() AS luck FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id) AS drawn;
