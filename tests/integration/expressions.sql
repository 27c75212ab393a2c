-- Expressions of all kinds, in every place that may hold one: what PostgreSQL prints of them, and prints again.
CREATE TYPE mood AS ENUM ('a','b','c');
CREATE TYPE comp AS (x int, y text);
CREATE DOMAIN email AS varchar(90) CHECK (VALUE ~~ '%@%' AND lower(VALUE) IN ('a@b','c@d'));
CREATE DOMAIN posint AS int CHECK (VALUE IN (1,2,3) OR VALUE > 10);
CREATE DOMAIN vt AS varchar CHECK (VALUE IN ('x','y'));
CREATE TABLE t (
 i int, s smallint, b bigint, n numeric(10,2), r real, d double precision, t text, v varchar(10), v0 varchar, c char(5), ch "char", nm name,
 dt date, ts timestamp, tz timestamptz, ts3 timestamp(3), tm time, iv interval, j json, jb jsonb, u uuid, by bytea, bo bool, arr int[], va varchar(5)[], m mood, co comp, e email, mo money, bt bit(3), vb varbit, inet inet, r4 int4range, xm xml, dm vt, da vt[], oi oid, rc regclass);
CREATE VIEW v01 AS SELECT * FROM t WHERE v IN ('a','b') AND v0 IN ('a','b') AND c IN ('a','b') AND t IN ('a','b') AND nm IN ('a','b') AND ch IN ('a','b');
CREATE VIEW v02 AS SELECT * FROM t WHERE v NOT IN ('a','b') OR v = ANY ('{a,b}') OR v = ANY (ARRAY['a','b']) OR v = ANY (ARRAY['a','b']::varchar[]) OR v = ANY(ARRAY['a','b']::text[]);
CREATE VIEW v03 AS SELECT * FROM t WHERE s IN (1,2) OR b IN (1,2) OR n IN (1,2.5) OR r IN (1,2) OR d IN (1,2.5) OR i IN (1, 2.5) OR s IN (1, 100000) OR b IN (1, 10000000000);
CREATE VIEW v04 AS SELECT * FROM t WHERE dt IN ('2025-01-01','2025-01-02') OR ts IN ('2025-01-01', '2025-02-02') OR tz > '2025-01-01' OR ts3 IN ('2025-01-01') OR dt + 1 > ts OR tm IN ('10:00','11:00') OR iv IN ('1 day','2 days') OR iv = interval '1' day OR iv < interval '3 months' year to month;
CREATE VIEW v05 AS SELECT * FROM t WHERE m IN ('a','b') OR m = 'c' OR m::text IN ('a','b') OR m::text = v OR e IN ('a@b','c@d') OR dm IN ('x','y') OR dm = 'x' OR 'x' = ANY(da) OR da = ARRAY['x','y']::vt[];
CREATE VIEW v06 AS SELECT 'a' AS k, NULL AS nul, 1 AS one, 1.5 AS dec, true AS yes, 'x'::varchar AS vv, 'y'::char(3) AS cc, '1'::int AS ii, -1 AS neg, -1::bigint AS negb, (-1)::numeric AS negn, 1e10 AS sci, E'a\nb' AS esc, U&'\0041' AS uni, B'101' AS bits, X'1F' AS hx;
CREATE VIEW v07 AS SELECT 'a' AS k UNION ALL SELECT 'b' UNION SELECT v FROM t UNION SELECT NULL;
CREATE VIEW v08 AS SELECT 1 AS k, 'a' AS l UNION SELECT NULL, NULL UNION ALL SELECT 2, 'c' INTERSECT SELECT 3.5, v FROM t;
CREATE VIEW v09 AS SELECT coalesce(v,'x') AS a, coalesce(v, t, 'z') AS b, nullif(v,'') AS c, greatest(v,'a') AS d, CASE v WHEN 'a' THEN 1 WHEN 'b' THEN 2.5 END AS e, CASE WHEN v IN ('a','b') THEN 'q' ELSE v END AS f, v || 'x' AS g, v || t AS h, c || 'x' AS i, v LIKE 'a%' AS j, c LIKE 'a%' AS k, v ~ 'a' AS l, v SIMILAR TO 'a%' AS m, substring(v from 2 for 3) AS n, position('a' in v) AS o, trim(both 'x' from v) AS p, overlay(v placing 'x' from 1) AS q, upper(v)::varchar(3) AS r, extract(year from dt) AS s, ts AT TIME ZONE 'UTC' AS t, (ts AT TIME ZONE 'UTC')::date AS u, dt::timestamp AS w, i::text AS x, i::varchar(5) AS y, n::int AS z FROM t;
CREATE VIEW v10 AS SELECT ARRAY[1,2,3] AS a, ARRAY['a','b'] AS b, ARRAY[v,'b'] AS c, ARRAY[[1,2],[3,4]] AS d, ARRAY[]::int[] AS e, '{1,2}'::int[] AS f, ARRAY[1,2]::bigint[] AS g, ARRAY['1','2']::int[] AS h, ARRAY['a','b']::varchar(3)[] AS i, ARRAY['a',NULL]::text[] AS j, arr[1] AS k, arr[1:2] AS l, va || 'x'::varchar AS m, ARRAY[1,2.5] AS n, ARRAY[ARRAY['a'::varchar],ARRAY['b'::varchar]]::text[] AS o, ARRAY[i,b] AS p, ARRAY[m,'a'] AS q, ARRAY[dm,'x'] AS r, ARRAY['a'::varchar,'b'::varchar]::text[] AS s, (ARRAY['a'::varchar,'b'::varchar]::text[])[1] AS u FROM t;
CREATE VIEW v11 AS SELECT ROW(1,'a')::comp AS b, (co).x AS c, ROW(i,v) = ROW(1,'a') AS d, (i,v) IN ((1,'a'),(2,'b')) AS e, (i,v) < (1,'z') AS f, co = ROW(1,'x')::comp AS g, co IS NULL AS h, ROW(t.*) IS NULL AS k FROM t;
CREATE VIEW v12 AS SELECT jb->>'a' AS a, (jb->>'b')::int AS b, jb @> '{"a":1}' AS c, jb ? 'x' AS d, jb #>> '{a,b}' AS e, j->'x' AS f, jb->0 AS g, (jb->>'s') IN ('x','y') AS h, jb['a'] AS i, jsonb_build_object('k', v) AS k, jb @? '$.a' AS l FROM t;
CREATE VIEW v13 AS SELECT count(*) FILTER (WHERE v IN ('a','b')) AS a, string_agg(v, ',' ORDER BY v) AS b, sum(i) OVER (PARTITION BY v ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS c, percentile_cont(0.5) WITHIN GROUP (ORDER BY d) AS e, array_agg(DISTINCT v) AS f, sum(n)::int AS g, round(avg(i),2) AS h FROM t GROUP BY v, i;
CREATE VIEW v14 AS SELECT * FROM (VALUES (1,'a'),(2,'b')) x(p,q) WHERE q IN ('a');
CREATE VIEW v15 AS WITH RECURSIVE w(n, tx) AS (SELECT 1, 'a' UNION ALL SELECT n+1, tx || 'b' FROM w WHERE n < 5) SELECT * FROM w;
CREATE VIEW v16 AS WITH w AS MATERIALIZED (SELECT v, 'k' AS k FROM t) SELECT w.*, x.* FROM w JOIN LATERAL (SELECT i FROM t WHERE t.v = w.v) x ON true LEFT JOIN t USING (v);
CREATE VIEW v17 AS SELECT generate_series(1,3) AS g, unnest(ARRAY['a','b']) AS u;
CREATE VIEW v18 AS SELECT f.* FROM json_to_recordset('[]') AS f(a int, b varchar(3)), ROWS FROM (generate_series(1,2), unnest(ARRAY['x'])) WITH ORDINALITY;
CREATE VIEW v19 AS SELECT i FROM t WHERE i BETWEEN 1 AND 2 AND b BETWEEN SYMMETRIC 5 AND 1 AND dt BETWEEN '2025-01-01' AND '2025-02-01' AND NOT (bo OR i IS NULL) AND (bo IS TRUE) AND v IS DISTINCT FROM 'x' AND n > 1 AND r > 1.5 AND d > 2 AND i > '5' AND b = i AND s + 1 > i AND n = i AND d = n;
CREATE VIEW v20 AS SELECT now() AS n, current_date AS d, current_user AS u, current_timestamp(2) AS c, localtime AS l, date '2025-01-01' AS dd, timestamp '2025-01-01' - interval '1 day' AS ee, interval '1 day' * 2 AS ff, mo * 2 AS gg, '$1.00'::money AS hh, inet '10.0.0.1' << '10.0.0.0/8' AS ii, r4 @> 5 AS jj, int4range(1,2) && r4 AS kk, 't'::regclass AS ll, 'int4'::regtype AS mm, bt & B'101' AS nn, by = '\x00' AS oo, u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AS pp FROM t;
CREATE VIEW v21 AS SELECT v COLLATE "C" AS a, (v || 'x') COLLATE "C" < 'y' AS b, v::text COLLATE "C" IN ('a','b') AS c FROM t ORDER BY v COLLATE "C" DESC NULLS LAST LIMIT 5 OFFSET 1;
CREATE VIEW v22 AS SELECT * FROM t WHERE EXISTS (SELECT 1 FROM t x WHERE x.v = t.v) AND i IN (SELECT i FROM t) AND v IN (SELECT 'a') AND i > ALL (SELECT 1) AND (i, v) IN (SELECT 1, 'a') AND v = (SELECT 'a' LIMIT 1) AND i = ANY (ARRAY(SELECT 1));
CREATE VIEW v23 AS SELECT GROUPING(v), v, 'tot' AS l FROM t GROUP BY ROLLUP (v), CUBE(i), GROUPING SETS ((n),());
CREATE VIEW v24 AS SELECT DISTINCT ON (v) v, i, 'x' AS lit FROM t TABLESAMPLE SYSTEM (10) ORDER BY v, i;
CREATE VIEW v25 WITH (security_barrier, check_option=cascaded) AS SELECT i, v FROM t WHERE v IN ('p','q');
CREATE VIEW v26 AS SELECT -(-5) AS a, - i AS b, ~ i AS c, @ i AS d, i % 3 AS e, 2 ^ 3 AS f, |/ 4.0 AS g FROM (SELECT 1::int AS i, 'a'::text AS q) s(i,h0);
CREATE MATERIALIZED VIEW m1 AS SELECT v, 'k' AS k, NULL AS n, count(*) FROM t WHERE v IN ('a','b') GROUP BY v UNION SELECT 'z', 'k', 'n', 1;
CREATE MATERIALIZED VIEW m2 AS SELECT * FROM m1 WHERE k = 'k' WITH NO DATA;
CREATE TABLE k (
 a varchar(9) DEFAULT 'x' CHECK (a IN ('x','y')), b text DEFAULT 'x' || 'y', c int DEFAULT 1 + 2, d bigint DEFAULT 1, e numeric DEFAULT 1, f date DEFAULT '2025-01-01', g timestamptz DEFAULT now(), h timestamp DEFAULT (now() at time zone 'utc'), i jsonb DEFAULT '{}', j text[] DEFAULT '{}', k varchar(5)[] DEFAULT ARRAY['a','b'], l mood DEFAULT 'a', m boolean DEFAULT false, n numeric(5,2) DEFAULT 0.5, o interval DEFAULT '1 day', p smallint DEFAULT 5, q real DEFAULT 1.5, r uuid DEFAULT gen_random_uuid(), s char(3) DEFAULT 'ab', u email DEFAULT 'a@b', w int[] DEFAULT ARRAY[1,2], x bytea DEFAULT '\x00', y varchar DEFAULT NULL, z double precision DEFAULT '-1', aa int DEFAULT -1, bb bigint DEFAULT -5000000000, cc text DEFAULT current_user, dd date DEFAULT CURRENT_DATE + 7, ee text[] DEFAULT ARRAY[]::text[], ff vt DEFAULT 'x', gg varchar(20) DEFAULT 'a'::text, hh timestamp(0) DEFAULT now(),
 ga text GENERATED ALWAYS AS (CASE WHEN a IN ('x','y') THEN 'in' ELSE a END) STORED, gb text GENERATED ALWAYS AS (a || '-' || b) STORED, gc int GENERATED ALWAYS AS (c * 2),
 CONSTRAINT c1 CHECK (b IN ('p','q') OR a NOT IN ('z','w')), CONSTRAINT c2 CHECK (s IN ('ab','cd') AND p IN (1,2) AND d IN (1,2)), CONSTRAINT c3 CHECK (a::text IN ('x','y') AND a = ANY (ARRAY['x','y']::varchar[])), CONSTRAINT c4 CHECK ((c > 0 AND d > 0) OR (e > 0 AND NOT m)), CONSTRAINT c5 CHECK (l IN ('a','b') AND u IN ('a@b','q@r') AND ff IN ('x','y')), CONSTRAINT c6 CHECK (k <@ ARRAY['a','b']::varchar[]), CONSTRAINT c7 CHECK (j <@ ARRAY['a','b'] AND array_length(j,1) > 0), CONSTRAINT c8 CHECK (i->>'x' IN ('a','b') AND jsonb_typeof(i) = 'object'), CONSTRAINT c9 CHECK (f > '2020-01-01' AND g > '2020-01-01 00:00+00' AND o >= '0'), CONSTRAINT c10 CHECK (a ~ '^[a-z]+$' AND length(a) BETWEEN 1 AND 9), CONSTRAINT c11 CHECK (ROW(a,b) <> ROW('x','y')), CONSTRAINT c12 CHECK (coalesce(a,'x') IN ('x','y') AND upper(a) IN ('X','Y') AND a || 'z' IN ('xz','yz')),
 EXCLUDE USING btree (c WITH =) WHERE (a IN ('x','y'))
);
CREATE INDEX k1 ON k (lower(a), (b || 'x'), (c + 1) DESC) WHERE a IN ('x','y') AND m;
CREATE INDEX k2 ON k ((a::text), ((i->>'n')::int), (CASE WHEN a IN ('x') THEN 1 ELSE 2 END)) INCLUDE (c) WHERE f > '2025-01-01' AND d IN (1,2) AND s IN ('ab','cd');
CREATE INDEX k3 ON k (a COLLATE "C" varchar_pattern_ops, upper(a::text)) WHERE (b IN ('x','y')) IS TRUE;
CREATE STATISTICS st1 ON (a || 'x'), (c % 2), (a IN ('x','y')) FROM k;
CREATE FUNCTION f1(a varchar DEFAULT 'x', b int DEFAULT 1 + 1, c text[] DEFAULT ARRAY['a','b'], d vt DEFAULT 'x', e numeric DEFAULT 1) RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT v FROM t WHERE v IN ('a','b') AND v = f1.a UNION SELECT 'none' ORDER BY 1; INSERT INTO t (v, m, i) VALUES ('a', 'a', 1), ('b','b', 2); UPDATE t SET v = 'q', n = 1 WHERE c IN ('x') RETURNING v; END;
CREATE FUNCTION f1b() RETURNS void LANGUAGE sql BEGIN ATOMIC UPDATE t SET v = 'q' RETURNING v, 'lit', NULL, true, -1, 1.5, ARRAY['a','b'], '2025-01-01'::date, 'a'::mood, '1'::"char", 2::bigint, 3::numeric, now()::timestamp, 'x'::varchar(3); INSERT INTO t (v) SELECT 'q' UNION ALL SELECT 'p'; SELECT 1, 'a', true, false, '1 day'::interval, 'x'::char(3), '10:00'::time, '10:00'::timetz, B'1', '{a}'::varchar(3)[], 'a@b'::email, 1.5::float8, 1::smallint; END;
CREATE FUNCTION f2(x int) RETURNS varchar LANGUAGE sql RETURN CASE WHEN x IN (1,2) THEN 'a' ELSE 'b' END;
CREATE FUNCTION f3(x varchar) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN x IN ('a','b') AND x::text = ANY (ARRAY['p','q']);
CREATE FUNCTION f4() RETURNS TABLE (a text, b text) LANGUAGE sql BEGIN ATOMIC SELECT 'x', NULL; END;
CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER g1 BEFORE UPDATE OF a ON k FOR EACH ROW WHEN (OLD.a IN ('x','y') AND NEW.a IS DISTINCT FROM OLD.a AND NEW.d > 1) EXECUTE FUNCTION tg();
ALTER TABLE k ENABLE ROW LEVEL SECURITY;
CREATE POLICY p1 ON k FOR ALL USING (a IN ('x','y') AND b = current_user AND c IN (SELECT i FROM t WHERE v IN ('a','b'))) WITH CHECK (a IN ('x','y'));
CREATE RULE ru AS ON INSERT TO k WHERE (new.a IN ('q','r')) DO ALSO INSERT INTO t (v, i, t) VALUES (new.a, 1, 'lit');
CREATE RULE ru2 AS ON UPDATE TO k DO ALSO (UPDATE t SET v = 'z', s = 1 WHERE v = old.a AND v IN ('a','b'); DELETE FROM t WHERE c IN ('x','y'));
CREATE RULE ru3 AS ON DELETE TO k DO INSTEAD SELECT 'x' AS a, NULL AS b;
CREATE TABLE pr (a varchar, d date, n numeric) PARTITION BY RANGE ((lower(a)), d);
CREATE TABLE pr1 PARTITION OF pr FOR VALUES FROM ('a', '2025-01-01') TO ('m', MINVALUE);
CREATE TABLE pl (a varchar(5), m mood) PARTITION BY LIST (a);
CREATE TABLE pl1 PARTITION OF pl FOR VALUES IN ('x','y', NULL);
CREATE TABLE pl2 (a varchar(5) DEFAULT 'zz' CHECK (a IN ('z','zz')), m mood);
ALTER TABLE pl ATTACH PARTITION pl2 FOR VALUES IN ('z','zz');
CREATE TABLE inh (x int CHECK (x IN (1,2)), y varchar DEFAULT 'q' CHECK (y IN ('q','r')));
CREATE TABLE inh2 (z int, y varchar DEFAULT 's') INHERITS (inh);
ALTER TABLE inh2 DROP COLUMN z; ALTER TABLE inh ADD COLUMN w text DEFAULT 'w'; 
CREATE PUBLICATION pub FOR TABLE t WHERE (i IN (1,2) AND i BETWEEN 1 AND 5);
CREATE FUNCTION ceq(comp, comp) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.x = $2.x'; CREATE OPERATOR === (leftarg = comp, rightarg = comp, function = ceq);
CREATE VIEW v30 AS SELECT co === ROW(1,'x')::comp AS a, co OPERATOR(public.===) co AS b FROM t;
CREATE AGGREGATE ag (int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE VIEW v31 AS SELECT ag(i) FROM t;
CREATE VIEW v32 AS SELECT a.v, b.v AS v2 FROM t a JOIN t b ON a.v = b.v AND a.c = b.v AND a.t = b.nm AND a.ch = b.v AND a.dt = b.ts AND a.ts = b.tz AND a.i = b.n AND a.s = b.d AND a.m::text = b.v;
CREATE VIEW v33 AS SELECT JSON_VALUE(jb, '$.a' RETURNING int DEFAULT 1 ON EMPTY) AS a, JSON_QUERY(jb, '$.b') AS b, JSON_OBJECT('a' VALUE v) AS c, JSON_ARRAY(1,'x') AS d, jb IS JSON AS e FROM t;
CREATE VIEW v34 AS SELECT jt.* FROM t, JSON_TABLE(jb, '$[*]' COLUMNS (id FOR ORDINALITY, a int PATH '$.a', b varchar(3) PATH '$.b' DEFAULT 'x' ON EMPTY)) jt;
CREATE VIEW v35 AS SELECT t.v::varchar(3)::text AS a, t.i::numeric(5,1)::text AS b, CAST(t.v AS char(2)) AS c, t.n::float8::int AS d, t.tz::timestamp(2) AS e, t.iv::interval(3) AS f, (t.tz::date)::text AS g, t.bt::bit(2) AS h, t.vb::varbit(5) AS i, t.tm::time(1) AS j, t.tz::timetz(0) AS k FROM t;
CREATE VIEW v36 AS SELECT pg_catalog.lower(v) AS a, v::bpchar AS b, 'x'::bpchar AS c, 'a'::"char" AS d, '1'::oid AS e, i::oid AS f, oi::regclass AS g, v::regclass IS NULL AS h, ARRAY[v]::text[] AS k, ARRAY[c, 'x'] AS l, ARRAY[nm::text,'x'] AS m, va::text[] AS n, (va::text[]) @> ARRAY['x'] AS o, va = ARRAY['x']::varchar[] AS p, v = ANY(va) AS q, t = ANY(va) AS r, v = ANY('{a,b}'::varchar[]) AS s FROM t;
CREATE VIEW v37 AS SELECT * FROM t WHERE (v, t) IN (('a','b'),('c','d')) OR v IN ('a') OR v IN ('a', t) OR v IN (c, 'x') OR t IN (v, c, 'q') OR c IN (v,'z') OR nm IN (v, 'q') OR lower(v) IN ('a','b') OR v || 'x' IN ('a', v) OR dm IN (v,'x') OR dm::text IN ('x', v) OR e IN (v);
CREATE TABLE k9 (st varchar(20) NOT NULL DEFAULT 'new', CONSTRAINT st CHECK (st = ANY (ARRAY['new'::varchar,'old'::varchar]::text[])), CONSTRAINT st2 CHECK (st IN ('new','old')), CONSTRAINT st3 CHECK ((st)::text = ANY ((ARRAY['new'::character varying, 'old'::character varying])::text[])));

CREATE VIEW w2 AS SELECT (SELECT 'a' WHERE EXISTS (SELECT true, 'x', -1)) AS q, ARRAY(SELECT 'a' UNION SELECT 'b') AS r, ARRAY(SELECT v FROM t WHERE v IN ('a','b') AND i BETWEEN 1 AND 2 AND (i = 5 OR (i = 6 OR i = 7))) AS s;
CREATE VIEW w3 AS SELECT sum(i) OVER (ORDER BY i RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) AS a, sum(i) OVER w AS b FROM t WHERE NOT (v IN ('a','b') AND (i BETWEEN 1 AND 2 OR b NOT BETWEEN 1 AND 2) AND NOT bo) WINDOW w AS (PARTITION BY v IN ('a','b') ROWS 1 PRECEDING);
CREATE VIEW w4 AS SELECT CASE WHEN v IN ('a','b') AND i BETWEEN 1 AND 2 AND bo THEN ARRAY['a'::varchar,'b'] WHEN (bo AND (bo AND bo)) OR ((bo OR bo) AND bo) THEN NULL END AS a, ARRAY[v, v0]::text[] AS b, (ARRAY[v,v0])::text[] || 'x'::text AS c, array_cat(ARRAY[v,'q'::varchar]::text[], ARRAY[t]) AS d, v = ANY (ARRAY[v0,'q'])  AS e, v || v0 IN ('a','b') AS f, ts IN (dt, '2025-01-01') AS g, b IN (i, s) AS h, c IN (v, v0) AS k, t = ANY (ARRAY[v, v0]) AS l, t = ANY (ARRAY[lower(v), v || v0, c]) AS m FROM t;
CREATE STATISTICS st2 ON (a || b IN ('x','y')), (c BETWEEN 1 AND 2 AND m AND d > 1), (CASE WHEN a IN ('x','y') AND c > 1 THEN 1 END) FROM k;
CREATE MATERIALIZED VIEW w5 AS SELECT * FROM t WHERE t = ANY (ARRAY[v, v0]) AND va && ARRAY['a','b']::varchar[] AND va::text[] && ARRAY['a'] AND da && ARRAY['x','y']::vt[];
CREATE TABLE w6 (a varchar DEFAULT (ARRAY['x'::varchar,'y'])[1] CHECK (a = ANY (ARRAY['x','y']::varchar(3)[]) AND a::varchar(3) IN ('a','b')), b date CHECK (b BETWEEN '2020-01-01' AND '2030-01-01' AND extract(year from b) IN (2020, 2021) AND b IS NOT NULL), tags varchar(9)[] CHECK (tags <@ ARRAY['a','b']::varchar[] AND 'x' <> ALL (tags)), nm name CHECK (nm IN ('a','b')), en mood CHECK (en IN ('a','b') AND en <> ALL (ARRAY['c']::mood[])), ct char(4) CHECK (ct IN ('ab','cd') OR ct::text IN ('a','b')));
CREATE FUNCTION w7(p varchar, VARIADIC q varchar[] DEFAULT ARRAY['a','b']) RETURNS int LANGUAGE sql RETURN (SELECT count(*) FROM t WHERE v = ANY (q) AND v IN ('x', p) AND i BETWEEN 1 AND 3);
