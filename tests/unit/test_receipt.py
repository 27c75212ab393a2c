"""A receipt is usage times prices, to the nano-dollar; a budget stops a run before the limit is passed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobs.receipts import show_receipt
from services.costs import predict
from services.costs.bill import AthenaScan, Biller, Call, Route, Tally, Usage
from services.costs.budget import Budget
from services.costs.prices import GB, load_prices
from services.costs.receipt import KeptReceipt, Receipt, add_up, keep, make_receipt, read_receipts
from services.errors import BudgetExceeded

PUT = Call("s3", "PutObject")
NOON = datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)


def part(_: int) -> int:
    return 64 * 2**20


def biller(region: str = "us-east-1", route: Route = "internet") -> Biller:
    return Biller(load_prices(), region, route)


def receipt(usage: Usage, *, left: tuple[int, dict[str, int]] = (0, {}), run_id: str = "0001") -> Receipt:
    return make_receipt(
        job="backup",
        run_id=run_id,
        started=NOON,
        billed=False,
        limit=Decimal("0.01"),
        usage=usage,
        left=left,
        biller=biller(),
    )


# Worked by hand from the price list of us-east-1: one case for each rule.
@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (predict.requests("PutObject", 1), "0.000005"),
        (predict.requests("ListObjectsV2", 3), "0.000015"),
        (predict.requests("HeadObject", 5), "0.000002"),
        (predict.requests("DeleteObjects", 1000), "0"),
        (predict.requests("PutObject", 1, storage_class="GLACIER_IR"), "0.00002"),
        (predict.requests("GetTable", 10, service="glue"), "0.00001"),
        (predict.requests("StartQueryExecution", 10, service="athena"), "0"),
        # 1 GB in parts of 64 MiB: begin, 16 parts, complete are 18 requests at 0.000005
        (predict.upload(GB, part), "0.00009"),
        # complete at Deep Archive's 0.00005, begin and 16 parts at Standard's 0.000005
        (predict.upload(GB, part, storage_class="DEEP_ARCHIVE"), "0.000135"),
        # 0.0000004 for the GET and 0.09 for the GB
        (predict.download(GB), "0.0900004"),
        # 0.000001 for the GET, 0.01 to retrieve, 0.09 to transfer
        (predict.download(GB, storage_class="STANDARD_IA"), "0.100001"),
        # 10 MB of a TB at 5 dollars: the floor
        (predict.query(1), "0.00005"),
        (predict.query(25_000_001), "0.00013"),
    ],
)
def test_usage_costs(usage: Usage, usd: str) -> None:
    assert biller().cost(usage) == Decimal(usd)
    assert biller().bill(usage).total == Decimal(usd)


def test_inside_the_region_a_download_costs_its_request_only() -> None:
    assert biller(route="region").cost(predict.download(GB)) == Decimal("0.0000004")


def test_attempts_that_were_not_billed_cost_nothing() -> None:
    usage = Usage({Call("s3", "PutObject"): Tally(calls=1, attempts=5, billable=2)})
    assert biller().cost(usage) == Decimal("0.00001")


def test_a_region_without_a_price_borrows_it_and_says_so() -> None:
    lines = biller("eu-west-1").bill(predict.query(1) + predict.requests("PutObject", 1)).lines
    assert {line.usage: line.priced_in for line in lines} == {
        "athena.scan": "us-east-1",
        "s3.put.STANDARD": "eu-west-1",
    }


def test_calls_without_a_price_are_named_rather_than_free() -> None:
    made = receipt(predict.requests("RunInstances", 1, service="ec2"))
    assert made.bill.unpriced == ("ec2:RunInstances",)
    assert made.as_json()["unpriced"] == ["ec2:RunInstances"]


def test_what_is_left_behind_costs_its_class_each_month() -> None:
    made = receipt(predict.requests("PutObject", 2), left=(2, {"STANDARD": GB, "GLACIER_IR": 2 * GB}))
    assert made.total_monthly == Decimal("0.031000000")
    assert made.objects_left == 2


@pytest.mark.parametrize("width", [48, 60, 80])
def test_no_figure_is_cut_on_a_narrow_terminal(width: int) -> None:
    told = StringIO()
    made = receipt(predict.requests("PutObject", 1_234_567), left=(1_234, {"STANDARD": GB}))
    show_receipt(made, Console(file=told, width=width, force_terminal=True, color_system=None))
    assert "1,234,567  requests" in told.getvalue()
    assert "$6.172835000" in told.getvalue()
    assert "…" not in told.getvalue()
    assert max(map(len, told.getvalue().splitlines()[1:])) <= width


def test_receipt_counts_no_s3_requests_as_free() -> None:
    made = receipt(predict.requests("PutObject", 3000) + predict.requests("GetTable", 5, service="glue"))
    assert made.total == Decimal("0.015005000")
    assert made.total_free == Decimal("0.000005000")


def test_receipt_counts_100_gb_of_egress_as_free() -> None:
    made = receipt(predict.download(150 * GB))
    assert made.total_free == 100 * Decimal("0.09")


def test_kept_receipt_of_the_ended_offer_counts_egress_only(tmp_path: Path) -> None:
    path = keep(receipt(predict.download(GB)), tmp_path)
    data = json.loads(path.read_text())
    ended = {**data["free_tier"][0], "usage": "s3.get.STANDARD", "usd": "0.000000400"}
    path.write_text(json.dumps({**data, "free_tier": [*data["free_tier"], ended], "usd_free_tier": "0.090000400"}))
    assert read_receipts(tmp_path)[0][0].usd_free_tier == Decimal("0.09")


def test_receipt_shows_that_an_unenforced_limit_was_passed() -> None:
    assert not receipt(predict.requests("PutObject", 2000)).over_limit
    assert receipt(predict.requests("PutObject", 2001)).over_limit


def test_money_is_text_without_an_exponent_in_json() -> None:
    data = receipt(predict.requests("HeadObject", 1)).as_json()
    assert data["usd"] == "0.000000400"
    assert data["usd_monthly_left_behind"] == "0.000000000"
    assert data["lines"][0]["usd"] == "0.000000400"


_tallies = st.builds(Tally, billable=st.integers(0, 10**6), bytes_received=st.integers(0, 10**15))


@given(
    st.sampled_from(["PutObject", "GetObject", "ListObjectsV2", "DeleteObject"]),
    st.sampled_from(sorted(load_prices().classes)),
    _tallies,
)
def test_budget_and_bill_have_the_same_total(operation: str, storage_class: str, tally: Tally) -> None:
    usage = Usage({Call("s3", operation, storage_class): tally})
    assert abs(biller().cost(usage) - biller().bill(usage).total) < Decimal("1e-15")


_requests = st.builds(
    predict.requests,
    st.sampled_from(["PutObject", "GetObject", "DeleteObject"]),
    st.integers(1, 10**6),
    storage_class=st.sampled_from(sorted(load_prices().classes)),
)


@given(st.lists(_requests, max_size=4), st.lists(_requests, max_size=4))
def test_the_cost_of_a_sum_is_the_sum_of_the_costs(first: list[Usage], second: list[Usage]) -> None:
    one, two = sum(first, Usage()), sum(second, Usage())
    assert biller().cost(one + two) == biller().cost(one) + biller().cost(two)


def test_prediction_over_the_limit_stops_the_run() -> None:
    budget = Budget(biller(), Decimal("0.01"))
    assert budget.expect(predict.requests("PutObject", 2000), "Uploading") == Decimal("0.01")
    with pytest.raises(BudgetExceeded, match=r"Uploading 9 GB would cost about \$0\.010005000, more than the \$0\.01"):
        budget.expect(predict.requests("PutObject", 2001), "Uploading 9 GB")


def test_budget_stops_the_first_request_over_the_limit() -> None:
    budget = Budget(biller(), Decimal("0.00001"))
    budget.check(budget.price(PUT, Tally(billable=2)))
    with pytest.raises(BudgetExceeded, match="not sent"):
        budget.check(budget.price(PUT, Tally(billable=3)))


def test_a_limit_that_is_not_enforced_stops_nothing() -> None:
    budget = Budget(biller(), Decimal(0), enforced=False)
    budget.check(Decimal(1))
    assert budget.expect(predict.requests("PutObject", 3), "Uploading") == Decimal("0.000015")


def test_kept_receipts_add_up_by_job(tmp_path: Path) -> None:
    for number, run_id in enumerate(("a", "b", "c"), 1):
        keep(receipt(predict.requests("PutObject", number), run_id=run_id), tmp_path)
    found, unreadable = read_receipts(tmp_path)
    assert unreadable == []
    assert {kept.run_id for kept in found} == {"a", "b", "c"}
    (total,) = add_up(found)
    assert (total.job, total.runs, total.requests, total.usd) == ("backup", 3, 6, Decimal("0.00003"))


def test_retries_are_never_negative(tmp_path: Path) -> None:
    usage = Usage({PUT: Tally(calls=2, attempts=5), Call("sts", "GetCallerIdentity"): Tally(calls=1, attempts=0)})
    keep(receipt(usage), tmp_path)
    assert add_up(read_receipts(tmp_path)[0])[0].retries == 3


def test_receipt_never_replaces_another(tmp_path: Path) -> None:
    first = keep(receipt(predict.requests("PutObject", 1), run_id="a"), tmp_path)
    second = keep(receipt(predict.requests("PutObject", 1), run_id="b"), tmp_path)
    assert first.name == "backup_20261124_120005.json"
    assert second.name == "backup_20261124_120005_b.json"


def test_a_kept_receipt_gives_its_usage_back(tmp_path: Path) -> None:
    usage = predict.upload(GB, part) + Usage(scan=AthenaScan(1, 5, 10**7))
    keep(receipt(usage), tmp_path)
    kept: KeptReceipt = read_receipts(tmp_path)[0][0]
    assert kept.usage == usage
    assert kept.started == NOON


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": "shoreline-receipt/1"}', '{"format": "shoreline-receipt/1", "usd": 1}']
)
def test_a_damaged_receipt_is_named_and_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "backup_1.json").write_text(text)
    assert read_receipts(tmp_path) == ([], ["backup_1.json"])


def test_other_json_files_are_not_receipts(tmp_path: Path) -> None:
    (tmp_path / "cleanup_proof.json").write_text('{"format": "something else"}')
    assert read_receipts(tmp_path) == ([], [])
