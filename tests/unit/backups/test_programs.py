"""What is told of an error of PostgreSQL's."""

from __future__ import annotations

from services.backups.programs import without_values

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
