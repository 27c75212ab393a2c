"""What is Shoreline's is decided by whole folders, never by how a name begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cleanup import Area, Scope
from services.cleanup.inventory import neighbour_of
from services.errors import SettingsError

BACKUPS = Area("backups", "backups/postgres/", holds_backups=True)
LAKE = Area("lake", "datalake/")


@pytest.mark.parametrize("prefix", ["datalake", "", "/"])
def test_a_prefix_without_a_name_and_its_closing_slash_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="ends in"):
        Area("lake", prefix)


@pytest.mark.parametrize(
    "key", ["datalake", "datalake2/a", "Datalake/a", "x/datalake/a", "backups/postgres2/a", "backups/a"]
)
def test_key_with_a_similar_prefix_is_foreign(key: str) -> None:
    assert Scope((BACKUPS, LAKE)).area_of(key) is None


def test_a_key_belongs_to_the_innermost_area() -> None:
    inner = Area("backups", "all/backups/", holds_backups=True)
    scope = Scope((Area("lake", "all/"), inner))
    assert scope.area_of("all/backups/a") == inner
    assert scope.roots() == ["all/"]


def test_two_areas_with_one_prefix_are_refused() -> None:
    with pytest.raises(SettingsError, match="share a prefix"):
        Scope((LAKE, Area("backups", "datalake/", holds_backups=True)))


@given(st.text(min_size=1), st.sampled_from([BACKUPS, LAKE]))
def test_every_key_below_a_prefix_is_its_areas_and_no_other(rest: str, area: Area) -> None:
    scope = Scope((BACKUPS, LAKE))
    assert scope.area_of(area.prefix + rest) == area
    found = scope.area_of(rest)
    assert found is None or rest.startswith(found.prefix)


@pytest.mark.parametrize(
    ("key", "home"),
    [
        ("backups/postgres/eu/lease.json", "backups/postgres/eu"),
        ("backups/postgres/eu/west/2025/06/10/backup_20250610_143022.manifest.json", "backups/postgres/eu/west"),
        ("datalake/eu/_manifest/orders.json", "datalake/eu"),
        ("datalake/lease.json", "datalake"),
        ("elsewhere/lease.json", "elsewhere"),
    ],
)
def test_another_installation_is_known_by_what_only_its_jobs_write(key: str, home: str) -> None:
    assert neighbour_of(key, Scope((BACKUPS, LAKE))) == home


@pytest.mark.parametrize(
    "key",
    [
        "backups/postgres/lease.json",
        "backups/postgres/2025/06/10/backup_20250610_143022.manifest.json",
        "backups/postgres/a_database/2025/06/10/backup_20250610_143022.manifest.json",
        "backups/postgres/a_database/2025/06/10/backup_20250610_143022.drill.json",
        "datalake/_manifest/orders.json",
        "datalake/_manifest/orders.export.json",
        "datalake/orders/year=2025/month=01/day=10/data.parquet",
        "lease.json",
    ],
)
def test_what_our_own_jobs_write_shows_nobody_else(key: str) -> None:
    assert neighbour_of(key, Scope((BACKUPS, LAKE))) is None
