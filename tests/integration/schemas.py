"""A small database with one of everything that a dump may hold."""

AWKWARD = r"""
CREATE SCHEMA "Odd Schéma";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE EXTENSION vector;
CREATE TABLE "Odd Schéma"."Ta""ble ünd; --" ("a ""b"" (c)" text, "FROM stdin;" integer, "new
line" text);
INSERT INTO "Odd Schéma"."Ta""ble ünd; --" VALUES (E'\\.', 1, E'tab\tnew\nline'), (NULL, NULL, ''), ('é', 2, E'\\N');
CREATE TABLE empty_one (id integer);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED,
    mood mood NOT NULL DEFAULT 'happy',
    joined timestamptz NOT NULL DEFAULT '2025-01-01 00:00:00+00',
    photo bytea,
    face vector(3) NOT NULL DEFAULT '[1,2.5,3]'
);
COMMENT ON TABLE users IS 'COPY public.users (id) FROM stdin;
1
\.
-- PostgreSQL database dump complete
';
INSERT INTO users (email, photo)
SELECT format('user%s@example.com', n), sha256(n::text::bytea) FROM generate_series(1, 500) n;
CREATE TABLE events (id bigint, at date, payload jsonb) PARTITION BY RANGE (at);
CREATE TABLE events_2025_01 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
INSERT INTO events SELECT n, date '2025-01-01' + n % 60, jsonb_build_object('n', n) FROM generate_series(1, 300) n;
CREATE TABLE by_mood (mood mood, n integer) PARTITION BY HASH (mood);
CREATE TABLE by_mood_0 PARTITION OF by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_mood_1 PARTITION OF by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_mood_2 PARTITION OF by_mood FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO by_mood SELECT (enum_range(NULL::mood))[1 + n % 3], n FROM generate_series(1, 300) n;
CREATE TABLE vehicle (wheels integer);
CREATE TABLE car (doors integer, name text) INHERITS (vehicle);
ALTER TABLE vehicle ADD colour text;
INSERT INTO car VALUES (4, 5, 'tab	tab', 'red'), (3, NULL, E'new\nline', NULL);
CREATE TABLE hen (id integer PRIMARY KEY, egg integer);
CREATE TABLE egg (id integer PRIMARY KEY, hen integer REFERENCES hen);
INSERT INTO hen VALUES (1, 1);
INSERT INTO egg VALUES (1, 1);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE MATERIALIZED VIEW per_domain AS SELECT domain, count(*) FROM users GROUP BY domain;
CREATE FUNCTION speak() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    -- it's $$ not the end
    RETURN 'x
--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.users (id) FROM stdin;
';
END $body$;
CREATE TABLE choices (
    id integer PRIMARY KEY,
    state varchar(9) NOT NULL CHECK (state IN ('open', 'it''s (done)')),
    at timestamp(3) without time zone DEFAULT '2025-01-01'
);
CREATE INDEX choices_open ON choices (at) WHERE state IN ('open', 'other');
CREATE VIEW chosen AS SELECT id, state, 'a' AS kind FROM choices WHERE state IN ('open', 'other')
UNION SELECT 1, 'x', 'b';
CREATE FUNCTION chosen() RETURNS SETOF text BEGIN ATOMIC SELECT state FROM choices UNION SELECT 'none'; END;
CREATE VIEW escaped AS SELECT E'back\\slash ''quoted'' \n' AS text;
CREATE SEQUENCE "Next One" START 7;
SELECT nextval('"Next One"'), nextval('"Next One"');
SELECT lo_from_bytea(0, decode(repeat('00ff', 40000), 'hex')), lo_from_bytea(0, 'small');
"""
