"""A database that lost most of its content is shrunk until it has recovered or somebody accepts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backups.catalog import Backup, BackupListing
from services.backups.health import judge
from services.backups.manifest import BackupManifest
from services.backups.naming import ACCEPTED, Naming
from services.backups.retention import Candidate, Retention, plan
from services.backups.shrinkage import Shrinkage, shrinkage
from tests.unit.backups.test_retention import NOW, candidates, kept, made, policies
from tests.unit.backups.test_values import MANIFEST

AT = datetime(2025, 6, 1, tzinfo=UTC)
FULL = Shrinkage("p/full", AT, rows=1_800_000, plain_bytes=158_000_000)


@pytest.mark.parametrize(
    ("rows", "plain_bytes"),
    [
        pytest.param(0, 6_900, id="emptied"),
        pytest.param(10, 157_000_000, id="the table of many rows emptied beside one large value"),
        pytest.param(1_700_000, 6_000_000, id="large values gone"),
        pytest.param(899_999, 158_000_000, id="just under half"),
    ],
)
def test_losing_half_of_rows_or_bytes_is_shrinking(rows: int, plain_bytes: int) -> None:
    assert shrinkage(FULL, None, rows=rows, plain_bytes=plain_bytes) == FULL


@pytest.mark.parametrize(("rows", "plain_bytes"), [(900_000, 79_000_000), (2_000_000, 200_000_000)])
def test_losing_less_is_not(rows: int, plain_bytes: int) -> None:
    assert shrinkage(FULL, None, rows=rows, plain_bytes=plain_bytes) is None


def test_an_empty_database_that_stays_empty_never_shrinks() -> None:
    assert shrinkage(Shrinkage("p/a", AT, 0, 500), None, rows=0, plain_bytes=500) is None


def test_the_next_small_backup_still_counts_as_shrunk_from_the_full_one() -> None:
    small = Shrinkage("p/small", AT, 0, 6_900)
    assert shrinkage(small, FULL, rows=0, plain_bytes=6_900) == FULL
    assert shrinkage(small, FULL, rows=1_000_000, plain_bytes=90_000_000) == FULL
    assert shrinkage(small, FULL, rows=1_750_000, plain_bytes=150_000_000) is None


@given(candidates, policies, st.integers(0, 24))
def test_retention_keeps_what_the_newest_has_shrunk_from(
    given_: list[Candidate], policy: Retention, number: int
) -> None:
    newest_first = sorted(given_, key=lambda each: (each.taken_at, each.key), reverse=True)
    if len(newest_first) < 2:
        return
    before = newest_first[1 + number % (len(newest_first) - 1)].key
    newest_first[0] = replace(newest_first[0], shrank_from=before)
    first = kept(plan(newest_first, policy, NOW))
    assert before in first
    left = [each for each in newest_first if each.key in first]
    assert kept(plan(left, policy, NOW)) == first
    assert kept(plan(left, policy, NOW + timedelta(days=3650))) >= {before}


def test_retention_lets_it_go_once_the_shrinking_was_accepted() -> None:
    before, small = made(40), made(1)
    policy = Retention(days=30, minimum=1)
    assert before.key in kept(plan([replace(small, shrank_from=before.key), before], policy, NOW))
    assert before.key not in kept(plan([small, before], policy, NOW))


def shrunk(*, accepted: bool) -> Backup:
    name = Naming("p").name("app", NOW - timedelta(hours=1))
    keys = (name.key(ACCEPTED),) if accepted else ()
    return Backup.of(name, replace(MANIFEST, database="app", shrank=FULL), NOW, keys)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_shrunk_database_is_a_problem_until_accepted(accepted: bool) -> None:
    contents = BackupListing((shrunk(accepted=accepted),), (), ())
    status = judge(contents, ["app"], Retention(), timedelta(hours=26), NOW)
    assert any("1,800,000 rows" in each for each in status.problems) is not accepted
    assert (status.databases[0].shrank is None) is accepted


def test_a_manifest_tells_what_its_database_shrank_from() -> None:
    manifest = replace(MANIFEST, shrank=FULL)
    assert BackupManifest.from_json(manifest.to_json()) == manifest
    older = manifest.to_json().replace(b'"shrank"', b'"from_before_this_field"')
    assert BackupManifest.from_json(older).shrank is None
