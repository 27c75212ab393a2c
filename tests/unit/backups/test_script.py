"""A plain dump reaches psql without commands of psql's own, and unchanged otherwise."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.script import limit_bytes, without_commands, without_restriction
from services.errors import BackupDamaged

KEY = b"kEy0123456789"
DUMP = (
    b"--\n-- PostgreSQL database dump\n--\n\n\\restrict " + KEY + b"\n\n"
    b"-- Dumped from database version 18.4\n\nSET standard_conforming_strings = on;\n\n"
    b"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$\n\\restrict " + KEY[:5] + b"\n\\! id\nSELECT $1$_$;\n"
    b"CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;\n\n"
    b"CREATE TABLE public.\"a\\! b(\" (a text DEFAULT '\\! (it''s; --', b text DEFAULT E'\\'\\\\! id');\n"
    b'COPY public."a\\! b(" ("x;\ny", b) FROM stdin;\n\\N\t1\n\\\\! id\t\\.\n\\.\n\n\n'
    b"COPY public.empty (a) FROM stdin;\n\\.\n\n"
    b"/* a /* nested */ comment; \\! id */ SELECT pg_catalog.lowrite(0, '\\x00');\n"
    b"COMMENT ON TABLE public.empty IS 'two\n\\! lines';\n"
    b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict " + KEY + b"\n\n"
)
PLAIN = DUMP.replace(b"\\restrict " + KEY + b"\n", b"").replace(b"\\unrestrict " + KEY + b"\n", b"")


def cut(text: bytes, size: int) -> Iterable[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 4096, 1 << 20])
def test_dump_loses_its_own_restriction_and_nothing_else(size: int) -> None:
    assert b"".join(without_restriction(cut(DUMP, size))) == PLAIN


@pytest.mark.parametrize("text", [b"", b"SELECT 1;\n", b"SELECT 1;\n" * 1000, PLAIN])
def test_script_without_a_restriction_stays_as_it_is(text: bytes) -> None:
    assert b"".join(without_restriction(cut(text, 100))) == text


@pytest.mark.parametrize("size", [*range(1, 40), 4096, 1 << 20])
def test_dump_without_commands_passes_unchanged(size: int) -> None:
    assert b"".join(without_commands(cut(PLAIN, size))) == PLAIN


@pytest.mark.parametrize(
    "inserted",
    [
        b"\\! id\n",
        b"SELECT 1 \\g | id\n",
        b"-- Name: one\n\\! id\n",
        b"SELECT $$a$$ \\! id\n",
        b"COPY t (a) FROM stdin;\n1\n\\.\n\\! id\n",
        b"SELECT (\nCOPY t (a) FROM stdin;\n\\! id\n\\.\n);\n",
        b"SELECT 1\nCOPY t (a) FROM stdin;\n\\! id\n\\.\n;\n",
        b"SELECT '\n'\\! id\n",
        b"SELECT E'\\'' \\! id\n",
        b"SELECT nameE'\\' \\! id\n",
        b"/* /* */ */ \\! id\n",
        b"\\restrict other\n",
        b"\\connect postgres\n",
        b"\\copy t from program 'id'\n",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_script_with_a_command_is_refused(inserted: bytes, size: int) -> None:
    at = PLAIN.index(b"CREATE TABLE")
    with pytest.raises(BackupDamaged, match="command for psql"):
        list(without_commands(cut(PLAIN[:at] + inserted + PLAIN[at:], size)))


@pytest.mark.parametrize("end", [b"SELECT 'open", b"COPY t (a) FROM stdin;\n1\n", b"/* open"])
def test_script_that_ends_inside_of_something_is_refused(end: bytes) -> None:
    with pytest.raises(BackupDamaged, match="ends within"):
        list(without_commands([b"SELECT 1;\n", end]))


def test_script_stops_at_the_bytes_of_its_manifest() -> None:
    with pytest.raises(BackupDamaged, match="more than 10 bytes"):
        list(limit_bytes([b"12345", b"67890", b"1"], 10))
    assert list(limit_bytes([b"12345", b"67890"], 10)) == [b"12345", b"67890"]


_TEXT = st.text(st.sampled_from("\\'\"$;-/*()\n\tEeCOPY a.!"), max_size=12)


@given(st.lists(st.tuples(_TEXT, _TEXT, st.lists(_TEXT, max_size=3)), max_size=4), st.integers(1, 30))
def test_names_texts_and_rows_never_look_like_commands(tables: list[tuple[str, str, list[str]]], size: int) -> None:
    script = ""
    for name, text, rows in tables:
        quoted, literal = name.replace('"', '""'), text.replace("'", "''")
        escaped = [row.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t") for row in rows]
        script += f"COMMENT ON TABLE \"{quoted}\" IS '{literal}';\n"
        script += f'COPY "{quoted}" (a) FROM stdin;\n' + "".join(f"{row}\n" for row in escaped) + "\\.\n\n"
    assert b"".join(without_commands(cut(script.encode(), size))) == script.encode()
