"""What is told of an error of PostgreSQL's."""

from __future__ import annotations

import pytest

from services.postgres.process import without_values

SAID = """\
psql:<stdin>:12: NOTICE:  table "a" does not exist, skipping
psql:<stdin>:40: ERROR:  new row for relation "checked" violates check constraint "checked_check"
DETAIL:  Failing row contains (1, secret of
two lines).
HINT:  Look at the constraint.
CONTEXT:  COPY checked, line 7: "1\tsecret of\\ntwo lines"
pg_restore: error: COPY failed for table "t": ERROR:  invalid input syntax for type json
DETAIL:  Token "secret" is invalid.
CONTEXT:  JSON data, line 1: {"a": secret...
COPY t, line 3, column odd name: "secret"
Command was: COPY public.t (a) FROM stdin;
pg_dump: detail: users"""


def test_an_error_is_told_with_its_place_and_without_the_values_of_rows() -> None:
    assert list(without_values(SAID.splitlines())) == [
        'psql:<stdin>:12: NOTICE:  table "a" does not exist, skipping',
        'psql:<stdin>:40: ERROR:  new row for relation "checked" violates check constraint "checked_check"',
        "HINT:  Look at the constraint.",
        "CONTEXT:  COPY checked, line 7",
        'pg_restore: error: COPY failed for table "t": ERROR:  invalid input syntax for type json',
        "COPY t, line 3, column odd name",
        "Command was: COPY public.t (a) FROM stdin;",
        "pg_dump: detail: users",
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('invalid input syntax for type integer: "secret"', 'invalid input syntax for type integer: "..."'),
        ('invalid input value for enum mood: "a "secret" one"', 'invalid input value for enum mood: "..."'),
        ('value "12345" is out of range for type smallint', 'value "..." is out of range for type smallint'),
        ('time zone "secret" not recognized', 'time zone "..." not recognized'),
        ('malformed array literal: "{secret\nof two lines"', 'malformed array literal: "...'),
        ('relation "public.a" does not exist', 'relation "public.a" does not exist'),
        ('null value in column "a" of relation "t" violates', 'null value in column "a" of relation "t" violates'),
        ('invalid value for parameter "default_tablespace": "fast"',) * 2,
        ('could not open extension control file "/a": No such file',) * 2,
    ],
)
def test_the_error_itself_is_told_without_the_value_that_it_quotes(said: str, told: str) -> None:
    for before in ("psql:<stdin>:40: ERROR:  ", 'pg_restore: error: COPY failed for table "t": ERROR:  '):
        lines = f'{before}{said}\nCONTEXT:  COPY t, line 1, column a: "secret"'.splitlines()
        assert list(without_values(lines)) == [before + told, "CONTEXT:  COPY t, line 1, column a"]
