-- Five rows a table, enough to see every column filled.

INSERT INTO public.users (user_id, email, name, plan, created_at) VALUES
    (1, 'ada@example.com',     'Ada Lovelace',      'team',       '2025-01-02 09:15:00+00'),
    (2, 'grace@example.com',   'Grace Hopper',      'enterprise', '2025-01-03 14:02:11+00'),
    (3, 'edsger@example.com',  'Edsger Dijkstra',   'free',       '2025-01-05 08:40:37+00'),
    (4, 'barbara@example.com', 'Barbara Liskov',    'starter',    '2025-01-07 19:21:05+00'),
    (5, 'tony@example.com',    'Tony Hoare',        'free',       '2025-01-09 23:59:59+00');

INSERT INTO public.orders (order_id, user_id, amount, status, created_at) VALUES
    (1, 1,  49.00, 'paid',      '2025-01-10 10:00:00+00'),
    (2, 2, 499.00, 'delivered', '2025-01-10 11:30:00+00'),
    (3, 4,  19.90, 'pending',   '2025-01-11 16:45:12+00'),
    (4, 1,  49.00, 'refunded',  '2025-02-01 10:00:00+00'),
    (5, 2, 120.55, 'shipped',   '2025-03-01 07:08:09+00');

INSERT INTO public.events (event_id, user_id, event_type, payload, created_at) VALUES
    (1, 5, 'signup',    '{"source": "search"}',            '2025-01-09 23:59:59+00'),
    (2, 1, 'login',     '{"ip": "192.0.2.10"}',            '2025-01-10 09:58:41+00'),
    (3, 1, 'page_view', '{"path": "/pricing"}',            '2025-01-10 09:59:02+00'),
    (4, 1, 'purchase',  '{"order_id": 1, "coupon": null}', '2025-01-10 10:00:00+00'),
    (5, 2, 'login',     '{"ip": "2001:db8::1"}',           '2025-02-01 06:30:00+00');

SELECT setval(pg_get_serial_sequence('public.users', 'user_id'), 5),
       setval(pg_get_serial_sequence('public.orders', 'order_id'), 5),
       setval(pg_get_serial_sequence('public.events', 'event_id'), 5);
