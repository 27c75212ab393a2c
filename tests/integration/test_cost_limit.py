"""MAX_RUN_COST_USD stops work before it costs more, and never what a disaster needs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from services.backups.lease import current
from services.costs.account import Account
from services.costs.bill import Biller
from services.costs.prices import load_prices
from services.errors import BudgetExceeded
from services.postgres.client import Database
from services.s3.client import Aws
from services.s3.objects import Storage
from tests.archives import PREFIX, Archives
from tests.conftest import Shoreline

PUT = Decimal("0.000005")


def limited(storage: Storage, limit: Decimal) -> Storage:
    account = Account(Biller(load_prices(), "us-east-1", "internet"), limit=limit, enforced=True, billed=False)
    return Storage(Aws(storage.aws.access, account.attach), storage.bucket)


@pytest.mark.parametrize(("rows", "requests"), [(1, range(40)), (90_000, range(3, 8))], ids=["one-request", "in-parts"])
def test_a_backup_stopped_by_the_limit_leaves_nothing(
    rows: int, requests: range, database: Database, execute: Callable[[str], None], storage: Storage, archives: Archives
) -> None:
    """Limits that grow by one request, so that the run stops at each of its requests once."""
    execute(
        "CREATE TABLE t AS SELECT n, (SELECT string_agg(md5((n * 7 + i)::text), '') FROM generate_series(1, 4) i) w"
        f" FROM generate_series(1, {rows}) n"
    )
    stopped = 0
    for puts in requests:
        try:
            archives.back_up(database, limited(storage, puts * PUT + PUT / 2))
        except BudgetExceeded:
            stopped += 1
        else:
            break
        assert current(storage, PREFIX) is None, f"a lease is left at {puts} requests"
        archives.assert_nothing_left()
    assert stopped > 3
    assert len(archives.assert_whole()) == (stopped < len(requests))


def test_the_limit_never_stops_a_drill_or_a_restore(
    shoreline: Shoreline, execute: Callable[[str], None], copy: Database
) -> None:
    execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 100) AS n")
    assert shoreline("backup").exit_code == 0
    for job in (("drill",), ("restore", "--into", copy.name)):
        outcome = shoreline(*job, env={"MAX_RUN_COST_USD": "0"})
        assert outcome.exit_code == 0, outcome.errors
        assert "it downloads" in outcome.errors
        assert "would have been stopped" not in outcome.errors
    assert copy.exists()


def test_an_upload_begun_at_the_limit_is_taken_back(storage: Storage) -> None:
    """The answer to CreateMultipartUpload costs its bytes: it must not be lost for them."""
    exact = limited(storage, PUT)
    upload = exact.start_upload("k", content_type="text/plain")
    upload.abort()
    assert not list(storage.uploads(""))
