"""The fingerprint is right wherever the stream is cut, and only a whole dump has one."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.fingerprint import Content, Fingerprint, Sequence, differences
from services.backups.scanner import Scanner
from services.errors import BackupFailed

HEAD = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict aBcD\n\nSET search_path = '';\n\n"
TAIL = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict aBcD\n\n"


def entry(kind: str, name: str, body: bytes, *, data: bool = False) -> bytes:
    label = "Data for Name" if data else "Name"
    return f"--\n-- {label}: {name}; Type: {kind}; Schema: public; Owner: app\n--\n\n".encode() + body + b"\n\n"


def rows_of(table: str, rows: list[bytes]) -> bytes:
    text = b"".join(row + b"\n" for row in rows)
    return entry("TABLE DATA", table, f"COPY public.{table} (a, b) FROM stdin;\n".encode() + text + b"\\.\n", data=True)


def scan(text: bytes, cuts: list[int] | None = None) -> Fingerprint:
    scanner = Scanner()
    for start, end in pairwise(sorted({0, len(text), *(cuts or [])})):
        scanner.feed(text[start:end])
    return scanner.finish()


def scan_object(kind: str, body: bytes) -> Fingerprint:
    return scan(HEAD + entry(kind, "t", body) + TAIL)


def content(rows: list[bytes]) -> Content:
    text = b"".join(row + b"\n" for row in rows)
    return Content(len(rows), len(text), hashlib.sha256(text).hexdigest())


# Rows as COPY writes them: no newline, and a backslash only before one of its own letters.
cells = st.text(st.sampled_from("ab.;'\"$-é \t"), max_size=8).map(lambda text: text.encode())
row = st.lists(st.one_of(cells, st.sampled_from([b"\\N", b"\\\\", b"\\\\.", b"\\n\\."])), min_size=1).map(b"\t".join)
tables = st.lists(st.lists(row, max_size=6), min_size=1, max_size=4)
BODIES = [
    b"CREATE TABLE public.t (\n    a integer DEFAULT 'it''s'\n);",
    b"COMMENT ON TABLE public.t IS 'COPY public.t (a) FROM stdin;\n1\n\\.\n';",
    b"CREATE FUNCTION f() RETURNS text AS $body$\n--\n-- PostgreSQL database dump complete\n--\n$$ '\n$body$;",
    b"CREATE VIEW v AS SELECT E'a\\'b''c\\\\' AS \"odd\"\"name; --\nCOPY x FROM stdin;\n\";",
    b"-- only a comment with a ' in it and a $tag$\nSELECT 1;",
    b"ALTER TABLE t ALTER c SET DEFAULT '$1$';",
]


@given(tables=tables, bodies=st.lists(st.sampled_from(BODIES)), seed=st.integers(0, 2**32))
def test_tables_and_schema_are_the_same_wherever_the_stream_is_cut(
    tables: list[list[bytes]], bodies: list[bytes], seed: int
) -> None:
    text = HEAD + b"".join(entry("THING", f"n{number}", body) for number, body in enumerate(bodies))
    text += b"".join(rows_of(f"t{number}", rows) for number, rows in enumerate(tables)) + TAIL
    whole = scan(text)
    assert whole.tables == {f"public.t{number}": content(rows) for number, rows in enumerate(tables)}
    assert set(whole.schema) == {f"THING public.n{number}" for number in range(len(bodies))}
    picked = random.Random(seed)
    assert scan(text, [picked.randrange(len(text)) for _ in range(12)]) == whole


def test_the_fingerprint_is_the_same_byte_by_byte() -> None:
    text = HEAD + b"".join(entry("THING", str(number), body) for number, body in enumerate(BODIES))
    text += rows_of("t", [b"\\\\.\t1", b"\\N\t\\N", b""]) + rows_of("empty", []) + TAIL
    assert scan(text, list(range(len(text)))) == scan(text)


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_dump_that_was_cut_off_anywhere_has_no_fingerprint(cut: float) -> None:
    text = HEAD + entry("TABLE", "t", BODIES[0]) + rows_of("t", [b"1\t2", b"3\t4"]) + TAIL
    end = text.index(b"-- PostgreSQL database dump complete\n--\n") + len(b"-- PostgreSQL database dump complete\n--\n")
    with pytest.raises(BackupFailed, match=r"no end|in the middle of table public\.t"):
        scan(text[: int(cut * end)])


def test_what_follows_the_end_of_a_dump_makes_it_none() -> None:
    with pytest.raises(BackupFailed):
        scan(HEAD + TAIL + b"SELECT 1;\n")
    with pytest.raises(BackupFailed):
        scan(HEAD + TAIL + HEAD + TAIL + entry("TABLE", "t", BODIES[0]))


def test_the_random_word_and_the_order_of_objects_do_not_count() -> None:
    one, two = entry("TABLE", "a", b"CREATE TABLE a ();"), entry("TABLE", "b", b"CREATE TABLE b ();")
    default = b"SET default_tablespace = '';\n\n"
    first = scan(HEAD + one + default + two + TAIL)
    second = scan((HEAD + two + default + one + TAIL).replace(b"aBcD", b"eFgH"))
    assert first == second


def test_a_changed_object_changes_its_own_hash_only() -> None:
    before = scan(HEAD + entry("TABLE", "a", b"CREATE TABLE a ();") + entry("TABLE", "b", b"CREATE TABLE b ();") + TAIL)
    after = scan(HEAD + entry("TABLE", "a", b"CREATE TABLE a ();") + entry("TABLE", "b", b"CREATE TABLE b (c);") + TAIL)
    changed = {name for name in before.schema if before.schema[name] != after.schema[name]}
    assert changed == {"TABLE public.b"}


def test_sequences_are_read_with_odd_names() -> None:
    body = b'SELECT pg_catalog.setval(\'public."it\'\'s ""odd"""\', 42, false);'
    assert scan(HEAD + entry("SEQUENCE SET", "x", body) + TAIL).sequences == {
        'public."it\'s ""odd"""': Sequence(42, False)
    }


def test_large_objects_are_counted_and_hashed() -> None:
    body = b"SELECT pg_catalog.lo_open('%d', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00ff');\n"
    text = HEAD + entry("BLOBS", "BLOBS", body % 16 + body % 17, data=True) + TAIL
    found = scan(text).large_objects
    assert found is not None
    assert found.rows == 2
    assert scan(text.replace(b"00ff", b"00fe")).large_objects != found
    assert scan(text, list(range(0, len(text), 7))).large_objects == found


def test_a_row_longer_than_many_blocks_is_not_held_back() -> None:
    scanner = Scanner()
    scanner.feed(HEAD + b"--\n-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: app\n--\n\n")
    scanner.feed(b"COPY public.t (a) FROM stdin;\n")
    block = b"x" * (1 << 16)
    for _ in range(64):
        scanner.feed(block)
        assert scanner.held < 10
    scanner.feed(b"\n\\.\n\n\n" + TAIL)
    assert scanner.finish().tables["public.t"] == content([block * 64])


def test_an_object_of_more_than_a_megabyte_has_the_same_hash_wherever_it_is_cut() -> None:
    body = b"CREATE FUNCTION f() AS $$" + b"SELECT 'x';\n" * 120_000 + b"$$;"
    text = HEAD + entry("FUNCTION", "f()", body) + TAIL
    assert scan(text, list(range(0, len(text), 100_000))) == scan(text)


def test_a_table_that_inherits_has_the_same_hash_in_whatever_order_its_columns_come_back() -> None:
    def dump(columns: bytes, *rows: bytes) -> bytes:
        copy = b"COPY public.c (" + columns + b") FROM stdin;\n" + b"".join(row + b"\n" for row in rows) + b"\\.\n"
        table = entry("TABLE", "c", b'CREATE TABLE public.c (\n    "z, z" text\n)\nINHERITS (public.p);')
        return HEAD + table + entry("TABLE DATA", "c", copy, data=True) + TAIL

    before = scan(dump(b'x, "z, z", w', b"1\tz\t\\N", b"2\t\\t\t3"))
    assert before.columns == {"public.c": ("x", '"z, z"', "w")}
    again = dump(b'x, w, "z, z"', b"1\t\\N\tz", b"2\t3\t\\t")
    assert scan(again) != before
    for cut in range(len(again)):
        scanner = Scanner(columns=before.columns)
        scanner.feed(again[:cut])
        scanner.feed(again[cut:])
        assert scanner.finish() == before
    other = Scanner(columns=before.columns)
    other.feed(dump(b'x, w, "z, z"', b"1\tz\t\\N", b"2\t3\t\\t"))
    assert other.finish().tables != before.tables


def test_partitions_that_are_loaded_by_their_root_are_one_table_however_their_rows_are_spread() -> None:
    def dump(*partitions: list[bytes]) -> bytes:
        texts = (
            entry(
                "TABLE DATA",
                f"p{number}",
                b"-- load via partition root public.p\nCOPY public.p (a) FROM stdin;\n"
                + b"".join(row + b"\n" for row in rows)
                + b"\\.\n",
                data=True,
            )
            for number, rows in enumerate(partitions)
        )
        return HEAD + b"".join(texts) + TAIL

    whole = dump([b"one", b"two"], [], [b"three"])
    expected = scan(whole)
    assert expected.tables["public.p"].rows == 3
    for cut in range(len(whole)):
        assert scan(whole, [cut]) == expected
    assert scan(dump([b"three"], [b"two", b"one"], [])) == expected
    assert scan(dump([b"one", b"two"], [], [b"thrice"])) != expected
    assert scan(dump([b"two"], [], [b"three"])) != expected


@pytest.mark.parametrize(
    ("written", "again"),
    [
        (b"(ARRAY['a'::character varying, (b)::character varying(3)])::text[]",
         b"ARRAY[('a'::character varying)::text, ((b)::character varying(3))::text]"),
        (b"ARRAY['a'::timestamp(3) without time zone]::\"Odd\".\"T\"[]",
         b"ARRAY['a'::timestamp(3) without time zone::\"Odd\".\"T\"]"),
        (b"(ARRAY[ARRAY['a'::bpchar], ARRAY[b]])::text[]", b"ARRAY[ARRAY[('a'::bpchar)::text], ARRAY[(b)::text]]"),
        (b"(((a > 1) AND (a < 9)) AND (b OR c))", b"((a > 1) AND (a < 9) AND (b OR c))"),
        (b"(((a OR b) OR c) OR d)", b"(a OR b OR c OR d)"),
        (b"SELECT 'a'::text,\n    1", b"SELECT 'a'::text AS text,\n    1"),
        (b"SELECT ('1'::character varying)::bigint, '1'::public.\"Mood\"",
         b"SELECT ('1'::character varying)::bigint AS int8, '1'::public.\"Mood\" AS \"Mood\""),
        (b"SELECT '1'::timestamp without time zone, NULL::timestamp(3) with time zone, true",
         (b"SELECT '1'::timestamp without time zone AS \"timestamp\", NULL::timestamp(3) with time zone AS timestamptz,"
         b" true AS bool")),
        (b"ALTER COLUMN id SET (n_distinct='5', pg_attver=12)", b"ALTER COLUMN id SET (n_distinct='5', pg_attver=3)"),
    ],
)  # fmt: skip
def test_an_expression_that_postgresql_writes_in_other_words_is_the_same(written: bytes, again: bytes) -> None:
    def schema(expression: bytes) -> Fingerprint:
        return scan(HEAD + entry("CHECK", "t", b"CHECK (state = " + expression + b")") + TAIL)

    assert written != again
    assert schema(written) == schema(again)
    assert schema(written) != schema(again + b"'z'")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"SELECT (a)::integer", b"SELECT (a)::bigint"),
        (b"SELECT (a)::integer", b"SELECT a"),
        (b"DEFAULT '1'::text", b"DEFAULT '1'::character varying"),
        (b"SELECT ((a AND b) OR c)", b"SELECT (a AND (b OR c))"),
        (b"SELECT ((a + b) * c)", b"SELECT (a + (b * c))"),
        (b"SELECT (NOT (a AND b))", b"SELECT ((NOT a) AND b)"),
        (b"SELECT 'a'::text AS text", b"SELECT 'a'::text AS name"),
        (b"SELECT ARRAY['a'::text]", b"SELECT ARRAY[('a'::character varying)::text]"),
        (b"(ARRAY['a'::character varying])::text[]", b"(ARRAY['a'::character varying])::name[]"),
        (b"(ARRAY['a'::character varying(3)])::text[]", b"(ARRAY['a'::character varying(4)])::text[]"),
        (b"SELECT ARRAY[]::text[]", b"SELECT ARRAY[]::integer[]"),
        (b"SELECT ('1'::timestamp without time zone)", b"SELECT ('1'::timestamp with time zone)"),
    ],
)
def test_another_cast_or_grouping_is_a_difference(one: bytes, other: bytes) -> None:
    assert scan_object("VIEW", one) != scan_object("VIEW", other)


def test_groups_as_deep_as_they_may_be_and_those_without_an_end_are_compared() -> None:
    deep = b"SELECT " + b"(" * 50_000 + b"a" + b")" * 50_000
    for body in (deep, b"SELECT ((a)", b"SELECT a))", b"SELECT [(])"):
        assert scan_object("VIEW", body) == scan_object("VIEW", body)
        assert scan_object("VIEW", body) != scan_object("VIEW", body + b"a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"DEFAULT 'f(x)'::text", b"DEFAULT 'fx'::text"),
        (b"DEFAULT 'a::text'", b"DEFAULT 'a'"),
        (b'CHECK ("f(x)" > 0)', b'CHECK ("fx" > 0)'),
        (b"AS $_$ SELECT (1 + 2) * 3 $_$", b"AS $_$ SELECT 1 + (2 * 3) $_$"),
        (b"AS $$ SELECT '1'::text $$", b"AS $$ SELECT '1'::integer $$"),
    ],
)
def test_what_stands_in_quotes_is_compared_as_it_is(one: bytes, other: bytes) -> None:
    assert scan_object("DEFAULT", one) != scan_object("DEFAULT", other)


def test_of_a_schema_that_was_hashed_in_another_form_the_names_are_compared() -> None:
    found = scan_object("TABLE", BODIES[0])
    changed = replace(found, schema={"TABLE public.t": "0123456789abcdef"})
    assert differences(changed, found) == ["schema TABLE public.t: differs"]
    assert differences(replace(changed, form=0), found) == []
    more = replace(changed, form=0, schema={**changed.schema, "INDEX public.i": "0123456789abcdef"})
    assert differences(more, found) == ["schema INDEX public.i: missing"]
    assert differences(replace(changed, form=0, schema={}), found) == ["schema TABLE public.t: was not there"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("INDEX", b""),
        ("TRIGGER", b";\n"),
        ("FUNCTION", b"CREATE FUNCTION public.fx() RETURNS  LANGUAGE sql\n    AS $$select 1$$;"),
        ("FUNCTION", b"CREATE FUNCTION public.fx() RETURNS \n    LANGUAGE sql\n    AS $$select 1$$;"),
        ("FK CONSTRAINT", b'ALTER TABLE ONLY public.t\n    ADD CONSTRAINT "a b" ;'),
    ],
)
def test_object_listed_without_a_definition_is_undefined(kind: str, body: bytes) -> None:
    scanner = Scanner()
    scanner.feed(HEAD + entry(kind, "gone", body) + TAIL)
    assert scanner.undefined == [f"{kind} public.gone"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("FUNCTION", b"CREATE FUNCTION public.fx() RETURNS void\n    LANGUAGE sql\n    AS $$$$;"),
        ("PROCEDURE", b"CREATE PROCEDURE public.fx()\n    LANGUAGE sql\n    AS $$$$;"),
        ("SCHEMA", b"-- *not* creating schema, since initdb creates it"),
        ("CONSTRAINT", b"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT c CHECK ((a <> '\n    ADD CONSTRAINT c ;'));"),
    ],
)
def test_object_with_an_odd_definition_is_defined(kind: str, body: bytes) -> None:
    scanner = Scanner()
    scanner.feed(HEAD + entry(kind, "there", body) + TAIL)
    assert scanner.undefined == []


def test_unlogged_tables_that_were_left_out_are_no_difference() -> None:
    backup = scan(HEAD + rows_of("t", [b"1\t2"]) + TAIL)
    setval = entry("SEQUENCE SET", "s", b"SELECT pg_catalog.setval('public.\"Odd s\"', 1, false);")
    copy = scan(HEAD + rows_of("t", [b"1\t2"]) + rows_of('"Odd u"', []) + setval + TAIL)
    assert differences(backup, copy) != []
    assert differences(backup, copy, left_out=("public.Odd u", "public.Odd s")) == []


def test_older_form_compares_all_but_tables_that_inherit() -> None:
    def dump(default: bytes) -> Fingerprint:
        child = b"CREATE TABLE public.c (\n    a integer DEFAULT %s\n)\nINHERITS (public.p);" % default
        plain = b"CREATE TABLE public.t (\n    a integer DEFAULT %s\n);" % default
        return scan(HEAD + entry("TABLE", "c", child) + entry("TABLE", "t", plain) + rows_of("c", []) + TAIL)

    old = replace(dump(b"1"), form=3)
    assert differences(old, dump(b"2")) == ["schema TABLE public.t: differs"]
