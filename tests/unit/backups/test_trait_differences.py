"""Every trait of a database that a copy has not is a difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.backups.manifest import DatabaseGrant, DatabaseTraits, RoleSetting
from services.backups.rehearsal import differences_of_traits

TRAITS = DatabaseTraits(
    encoding="UTF8",
    locale_provider="libc",
    collate="C",
    ctype="C",
    owner="app",
    comment="precious",
    settings=("work_mem=8MB",),
    role_settings=(RoleSetting("app", "work_mem=9MB"),),
    connection_limit=7,
)


@pytest.mark.parametrize(
    ("change", "token"),
    [
        ({"encoding": "LATIN1"}, "encoding"),
        ({"owner": "postgres"}, "owner"),
        ({"comment": None}, "comment"),
        ({"settings": ()}, "setting work_mem is missing"),
        ({"settings": ("work_mem=secret",)}, "setting work_mem differs"),
        ({"role_settings": ()}, "work_mem of role app"),
        ({"connection_limit": -1}, "limit"),
        ({"grants": (DatabaseGrant("app", "CONNECT"),)}, "PUBLIC"),
    ],
)
def test_changed_trait_of_a_copy_is_a_difference(change: dict[str, Any], token: str) -> None:
    told = differences_of_traits(TRAITS, replace(TRAITS, **change))
    assert any(token in each for each in told)
    assert not any("secret" in each for each in told)


def test_grants_that_equal_the_default_are_no_difference() -> None:
    default = (
        *(DatabaseGrant("app", each) for each in ("CREATE", "CONNECT", "TEMPORARY")),
        DatabaseGrant(None, "CONNECT"),
    )
    found = replace(TRAITS, grants=(*default, DatabaseGrant(None, "TEMPORARY")), roles=("app",), lc_monetary="C")
    assert differences_of_traits(TRAITS, found) == []
