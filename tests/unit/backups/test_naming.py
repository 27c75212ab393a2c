"""A key is a backup's only when it matches the naming exactly, and every name comes back from its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.naming import MANIFEST, SUFFIXES, Name, Naming, folder_of, globals_suffix, object_suffix

NAMING = Naming("backups/postgres")
AT = datetime(2025, 6, 10, 14, 30, 22, tzinfo=UTC)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
times = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_layout_is_the_documented_one() -> None:
    plain = NAMING.name("saas_platform", AT)
    assert plain.key(".sql.gz") == "backups/postgres/2025/06/10/backup_20250610_143022.sql.gz"
    own = NAMING.name("saas_platform", AT, own_folder=True)
    assert own.key(MANIFEST) == "backups/postgres/saas_platform/2025/06/10/backup_20250610_143022.manifest.json"


def test_the_time_in_the_name_is_utc_whatever_the_zone_it_is_given_in() -> None:
    local = AT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert NAMING.name("x", local).stem == NAMING.name("x", AT).stem


@given(database=names, at=times, own=st.booleans(), suffix=st.sampled_from(SUFFIXES))
def test_every_name_comes_back_from_its_keys(database: str, at: datetime, own: bool, suffix: str) -> None:
    name = NAMING.name(database, at, own_folder=own)
    assert NAMING.parse(name.key(suffix)) == (name, suffix)


@given(one=names, two=names)
def test_two_databases_never_share_a_folder(one: str, two: str) -> None:
    assert (folder_of(one) == folder_of(two)) == (one == two)
    assert "/" not in folder_of(one)
    assert folder_of(one) not in {".", ".."}


@given(key=st.one_of(st.text(max_size=80), st.from_regex(r"backups/postgres/[0-9a-z/_.]{0,60}", fullmatch=True)))
def test_a_foreign_key_is_never_taken_for_a_backup(key: str) -> None:
    parsed = NAMING.parse(key)
    assert parsed is None or parsed[0].key(parsed[1]) == key


@pytest.mark.parametrize(
    "key",
    [
        "backups/postgres/2025/06/10/backup_20250610_143022.sql",
        "backups/postgres/2025/06/10/backup_20250610_143022.sql.gz.tmp",
        "backups/postgres/2025/06/10/backup_20250611_143022.sql.gz",
        "backups/postgres/2025/13/10/backup_20251310_143022.sql.gz",
        "backups/postgres/2025/02/30/backup_20250230_143022.sql.gz",
        "backups/postgres/2025/06/10/backup_20250610_246022.sql.gz",
        "backups/postgres/2025/06/10/Backup_20250610_143022.sql.gz",
        "backups/postgres/2025/06/10/backup_20250610_143022.sql.gz ",
        "backups/postgres/a/b/2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres/a b/2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres/%61/2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres/../2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres//2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgresql/2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres-old/2025/06/10/backup_20250610_143022.sql.gz",
        "x/backups/postgres/2025/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres/２０２５/06/10/backup_20250610_143022.sql.gz",
        "backups/postgres/lease.json",
    ],
)
def test_a_key_that_is_almost_right_is_not_a_backup(key: str) -> None:
    assert NAMING.parse(key) is None


def test_what_is_stored_says_by_its_name_how_to_open_it() -> None:
    assert object_suffix("plain", encrypted=False) == ".sql.gz"
    assert object_suffix("plain", encrypted=True) == ".sql.gz.age"
    assert object_suffix("custom", encrypted=False) == ".dump"
    assert globals_suffix(encrypted=True) == ".globals.sql.gz.age"
    assert Name("p", None, AT).stem == "p/2025/06/10/backup_20250610_143022"
