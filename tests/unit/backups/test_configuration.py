"""Settings in the catalog's notation are read as PostgreSQL reads them."""

from __future__ import annotations

import pytest

from services.backups.configuration import canonical, split_list


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("public", ["public"]),
        ('"$user", public', ["$user", "public"]),
        ('""', [""]),
        ("", []),
        ("  ", []),
        ('"a""b" ,"c,d"', ['a"b', "c,d"]),
        ("public;COPY/**/(SELECT/**/1)TO/**/PROGRAM'id'", ["public;copy/**/(select/**/1)to/**/program'id'"]),
        ("PUBLIC", ["public"]),
        ("a,", None),
        (",a", None),
        ("a b", None),
        ('"a', None),
        ('"a"b', None),
    ],
)
def test_list_setting_is_split_as_pg_dump_does(value: str, names: list[str] | None) -> None:
    assert split_list("search_path", value) == names


def test_file_names_keep_their_capitals() -> None:
    assert split_list("session_preload_libraries", "Lib, auto_explain") == ["Lib", "auto_explain"]


def test_settings_of_the_same_meaning_have_one_form() -> None:
    assert canonical("search_path=a;b, Public") == canonical('search_path="a;b","public"')
    assert canonical("search_path=") == canonical('search_path=""')
    assert canonical("application_name=a, B") == "application_name=a, B"
