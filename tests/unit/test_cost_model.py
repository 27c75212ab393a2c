"""The cost model: totals worked by hand, one for each rule; and what must hold for every input."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cost_analysis.model.figures import Kind, ModelFigures, load_figures
from services.cost_analysis.model.lake import LakeScenario, break_even_queries, query, questions
from services.cost_analysis.model.lines import Holding, MonthlyAmount, holding_amounts, price, total
from services.cost_analysis.model.logical import logical, logical_tiers, parts
from services.cost_analysis.model.managed import managed
from services.cost_analysis.model.physical import incremental_bytes, physical, segments_a_day, wal_stored_bytes
from services.cost_analysis.model.scenario import Scenario, scenario
from services.cost_analysis.model.turning import STRATEGIES, axes, sweep
from services.costs.prices import DATE, DAYS_A_MONTH, GB, PriceMissing, load_prices
from services.errors import InputError
from services.s3.multipart import PartPlan

PRICES = load_prices()
# Round numbers, so that a total can be worked out with pencil and paper.
ROUND = {
    "dump_ratio": "0.25",
    "base_ratio": "0.5",
    "incremental_ratio": "0.5",
    "wal_factor": "2",
    "wal_ratio": "0.25",
    "idle_segment_bytes": "16384",
    "wal_segment_bytes": "16777216",
    "load_mb_per_second": "50",
    "unpack_mb_per_second": "100",
    "replay_mb_per_second": "20",
    "network_mb_per_second": "125",
    "parquet_bytes_a_row": "10",
    "csv_bytes_a_row": "50",
    "csv_gzip_bytes_a_row": "20",
    "columns_read_share": "0.5",
}
FIGURES = load_figures().with_values(**{name: Decimal(value) for name, value in ROUND.items()})


def at(size: int = 100 * GB, region: str = "us-east-1", **given_figures: str) -> Scenario:
    figures = FIGURES.with_values(**{name: Decimal(value) for name, value in given_figures.items()})
    return scenario(size, region, PRICES, figures)


def usd(amounts: list[MonthlyAmount]) -> Decimal:
    return total(price(at(), amounts))


def held(storage_class: str, *, size: int = GB, days: str = "365", objects: str = "1", moved: bool = False) -> Decimal:
    return usd(
        holding_amounts(
            at(),
            Holding(
                "x", storage_class, Decimal(objects), Decimal(size), Decimal(days), Decimal(2), by_transition=moved
            ),
        )
    )


def test_storage_is_billed_by_the_gb_month() -> None:
    assert held("STANDARD", objects="10") == Decimal("0.23")


def test_small_objects_of_infrequent_access_are_billed_as_128_kb() -> None:
    # 8,192 objects of 128 KB are a GB at 0.0125, whether they have 1 byte or 131,072
    assert (
        held("STANDARD_IA", size=1, objects="8192")
        == held("STANDARD_IA", size=131072, objects="8192")
        == Decimal("0.0125")
    )


def test_an_archive_bills_32_kb_of_its_own_and_8_kb_of_standard_for_each_object() -> None:
    # 32,768 objects: 1 GB of overhead at 0.00099 and 0.25 GB at 0.023, besides the 32,768 GB themselves
    overhead = Decimal("0.00099") + Decimal("0.25") * Decimal("0.023")
    assert held("DEEP_ARCHIVE", objects="32768") == 32768 * Decimal("0.00099") + overhead


def test_objects_that_leave_early_are_billed_to_their_minimum_of_days() -> None:
    # 30 objects of a GB, each there for 30 of at least 90 days, 365/12 coming a month: billed as 90 objects
    holding = Holding("x", "GLACIER_IR", Decimal(30), Decimal(GB), Decimal(30), DAYS_A_MONTH)
    assert usd(holding_amounts(at(), holding)) == pytest.approx(Decimal("0.36"), abs=Decimal("1e-20"))


def test_a_transition_is_a_request_at_the_rate_of_the_class_it_leads_to() -> None:
    assert held("GLACIER_IR", moved=True) - held("GLACIER_IR") == 2 * Decimal("0.00002")


def test_intelligent_tiering_moves_objects_after_30_and_90_days_and_bills_its_monitoring() -> None:
    # a GB spends 30 of 180 days at 0.023, 60 at 0.0125, 90 at 0.004; monitoring 0.0000025
    by_hand = (30 * Decimal("0.023") + 60 * Decimal("0.0125") + 90 * Decimal("0.004")) / 180 + Decimal("0.0000025")
    assert held("INTELLIGENT_TIERING", days="180") == pytest.approx(by_hand, abs=Decimal("1e-20"))
    assert held("INTELLIGENT_TIERING", size=1000) == 1000 * Decimal("0.023") / GB


def test_lines_of_one_usage_share_its_price_tiers() -> None:
    lines = price(
        at(),
        [
            MonthlyAmount("a", "s3.storage.STANDARD", Decimal(51200)),
            MonthlyAmount("b", "s3.storage.STANDARD", Decimal(10)),
        ],
    )
    assert [line.usd for line in lines] == [Decimal("1177.6"), Decimal("0.22")]


def test_a_month_of_daily_dumps() -> None:
    # 100 GB dump to 25 GB, 30 of them lie there: 750 GB at 0.023 = 17.25. Each upload has 1,000 parts,
    # two more requests, ten PUTs and ten GETs: (1012 * 0.000005 + 10 * 0.0000004) * 730/24
    made = logical(at())
    requests = (1012 * Decimal("0.000005") + 10 * Decimal("0.0000004")) * DAYS_A_MONTH
    assert made.usd_monthly == pytest.approx(Decimal("17.25") + requests, abs=Decimal("1e-20"))
    assert made.stored_bytes == 750 * GB


def test_a_month_of_dumps_in_gfs_tiers() -> None:
    # 7 daily, 4 weekly, 12 monthly dumps of 25 GB: 575 GB at 0.023 = 13.225
    requests = (1012 * Decimal("0.000005") + 10 * Decimal("0.0000004")) * DAYS_A_MONTH
    assert logical_tiers(at()).usd_monthly == pytest.approx(Decimal("13.225") + requests, abs=Decimal("1e-20"))
    # the 12 monthly ones, 300 GB, at Glacier Instant's 0.004, and one transition a month at 0.00002
    saved = 300 * (Decimal("0.023") - Decimal("0.004")) - Decimal("0.00002")
    instant = logical_tiers(at(), "GLACIER_IR")
    assert logical_tiers(at()).usd_monthly - instant.usd_monthly == pytest.approx(saved, abs=Decimal("1e-20"))


def test_monthly_dumps_wait_in_standard_until_s3_lets_them_move() -> None:
    # 300 GB at Standard-IA's 0.0125, a transition at 0.00001; of 25 GB a month the 2 days from the 28th to the 30th
    saved = 300 * (Decimal("0.023") - Decimal("0.0125")) - Decimal("0.00001")
    waiting = 25 * 2 / DAYS_A_MONTH * Decimal("0.023")
    infrequent = logical_tiers(at(), "STANDARD_IA")
    assert logical_tiers(at()).usd_monthly - infrequent.usd_monthly == pytest.approx(
        saved - waiting, abs=Decimal("1e-20")
    )


def test_a_key_of_ones_own_costs_its_month_and_its_requests() -> None:
    # 1,002 requests an upload, 730/24 uploads a month, 0.03 for 10,000
    added = logical(at(), kms=True).usd_monthly - logical(at()).usd_monthly
    assert added == pytest.approx(1 + 1002 * DAYS_A_MONTH * Decimal("0.000003"), abs=Decimal("1e-20"))


def test_an_upload_has_as_many_parts_as_the_backup_would_make() -> None:
    assert parts(Decimal(8 * 2**20)) == 1
    assert parts(Decimal(8 * 2**20) + 1) == 2
    plan = PartPlan(expected=25 * GB)
    sent = list(accumulate(plan.size(number) for number in range(1, 1_001)))
    assert parts(Decimal(25 * GB)) == 1_000
    assert sent[998] < 25 * GB <= sent[999]


def test_one_restore_of_a_dump() -> None:
    made = logical(at(), "STANDARD_IA")
    # a GET at 0.000001, 25 GB retrieved at 0.01; out of AWS 25 GB at 0.09 besides
    assert total(made.restore) == Decimal("0.250001")
    assert total(made.restore_out) == Decimal("2.500001")
    # 100 GB at 50 MB/s: slower than 25 GB over the network
    assert made.rto_seconds == Decimal(100 * GB) / 10**6 / 50


def test_a_restore_from_an_archive_waits_for_it_and_pays_for_the_asking() -> None:
    made = logical(at(), "DEEP_ARCHIVE")
    assert made.rto_seconds - logical(at()).rto_seconds == 12 * 3600
    # asking 0.0001, a GET 0.0000004, 25 GB at 0.02
    assert total(made.restore) == Decimal("0.5001004")


def test_a_retention_below_a_class_s_minimum_is_warned_about_with_what_it_costs() -> None:
    # 150 days short of 180 for each of 30 dumps of 25 GB: 3,750 GB at 0.00099
    (warning,) = logical(at(), "DEEP_ARCHIVE").warnings
    assert "at least 180 days" in warning
    assert "$3.71 a month" in warning
    assert logical(at(keep_days="180"), "DEEP_ARCHIVE").warnings == ()


def test_a_month_of_base_backups_and_wal() -> None:
    made = physical(at(daily_change="0.01"))
    # 37 days of chains: 37/7 fulls of 50 GB, 37 * 6/7 incrementals of 0.5 GB
    stored = Decimal(37) / 7 * 50 + Decimal(37) * 6 / 7 / 2
    # 1 GB of pages a day, 2 GB of WAL: 128 full segments of 4 MiB each compressed, 1,312 idle ones of 16 KiB
    wal = 37 * (Decimal("0.5") + Decimal(1312 * 16384) / GB)
    assert made.stored_bytes / GB == pytest.approx(stored + wal, abs=Decimal("1e-15"))
    # PUTs: a full has 1,000 parts, an incremental 64, each with two more and ten of the job; 1,440 segments a day
    uploads = (1012 + 6 * Decimal(76)) / 7 + 1440
    requests = (uploads * Decimal("0.000005") + 10 * Decimal("0.0000004")) * DAYS_A_MONTH
    assert made.usd_monthly == pytest.approx((stored + wal) * Decimal("0.023") + requests, abs=Decimal("1e-15"))
    assert made.rpo_seconds == 60


def test_a_restore_from_a_chain_unpacks_and_then_replays_half_a_day() -> None:
    made = physical(at(daily_change="0.01"))
    # 100 GB and 3 incrementals of 1 GB of pages at 100 MB/s, then 1 GB of WAL at 20 MB/s
    assert made.rto_seconds == Decimal(103 * GB) / 10**6 / 100 + Decimal(GB) / 10**6 / 20


def test_an_idle_database_still_archives_a_segment_a_minute() -> None:
    quiet = at(daily_change="0")
    assert segments_a_day(quiet) == 1440
    assert wal_stored_bytes(quiet) == 1440 * 16384


def test_an_incremental_is_never_larger_than_a_full_backup() -> None:
    assert incremental_bytes(at(daily_change="1", incremental_ratio="0.9")) == 50 * GB


def test_a_month_of_rds_backups_begins_to_cost_beyond_the_size_of_the_database() -> None:
    # 100 GB free; 30 days of 1 GB changed and 2 GB of WAL: 90 GB at 0.095
    assert managed(at(daily_change="0.01")).usd_monthly == Decimal("8.55")
    assert managed(at(daily_change="0")).usd_monthly == 0


def test_rds_says_that_it_keeps_no_more_than_35_days() -> None:
    assert managed(at(keep_days="36")).usd_monthly == managed(at(keep_days="35")).usd_monthly
    assert "35 days at most" in managed(at(keep_days="36")).warnings[0]


def test_a_query_is_billed_its_scan_and_at_least_10_mb() -> None:
    assert query(at(), "q", Decimal(1), files=1).usd == Decimal("0.00005")
    assert query(at(), "q", Decimal(10**12), files=1).usd == Decimal(5)
    assert query(at(), "q", Decimal(1), files=500).get_requests_usd == Decimal("0.0004")


def test_partitions_and_columns_divide_what_a_question_scans() -> None:
    by_name = {cost.what: cost.scanned for cost in questions(at(), LakeScenario(rows_a_day=10**6, days=100))}
    assert by_name["CSV, no partitions"] == 50 * 10**8
    assert by_name["Parquet, no partitions, every column"] == 10 * 10**8
    assert by_name["Parquet, no partitions, two columns"] == 5 * 10**8
    assert by_name["Parquet, one day, two columns"] == 5 * 10**6


def test_the_lake_is_as_dear_as_a_second_database_at_the_break_even() -> None:
    # an instance 730 * 0.065 and 100 GB at 0.115; less 10 GB of Parquet at 0.023; a query of 10 MB and 2 GETs
    lake = LakeScenario(rows_a_day=GB // 100, days=100)
    by_hand = (Decimal("47.45") + Decimal("11.5") - lake.rows * 10 * Decimal("0.023") / GB) / Decimal("0.0000508")
    assert break_even_queries(at(), lake, Decimal(1)) == pytest.approx(by_hand, abs=Decimal("1e-15"))


sizes = st.integers(1, 50 * 10**12)
changes = st.decimals(0, 1, places=4)
days = st.integers(1, 1000)
classes = st.sampled_from(sorted(PRICES.classes))


def every_strategy(where: Scenario, storage_class: str) -> list[Decimal]:
    made = [
        logical(where, storage_class),
        logical_tiers(where, storage_class),
        physical(where, storage_class),
        managed(where),
    ]
    return [strategy.usd_monthly for strategy in made]


@given(sizes, sizes, changes, days, classes)
def test_cost_never_falls_with_size(one: int, other: int, change: Decimal, keep: int, storage_class: str) -> None:
    smaller, larger = (
        every_strategy(at(size, daily_change=str(change), keep_days=str(keep)), storage_class)
        for size in sorted((one, other))
    )
    assert all(low <= high for low, high in zip(smaller, larger, strict=True))


@given(sizes, changes, days, days, classes)
def test_a_longer_retention_never_costs_less(
    size: int, change: Decimal, one: int, other: int, storage_class: str
) -> None:
    shorter, longer = (
        every_strategy(at(size, daily_change=str(change), keep_days=str(keep)), storage_class)
        for keep in sorted((one, other))
    )
    tolerance = 1 + Decimal("1e-15")  # 30.4 days a month has no last digit
    assert all(low <= high * tolerance for low, high in zip(shorter, longer, strict=True))


@given(sizes, changes, changes, days)
def test_more_change_never_costs_less(size: int, one: Decimal, other: Decimal, keep: int) -> None:
    calmer, busier = (
        physical(at(size, daily_change=str(change), keep_days=str(keep))).usd_monthly for change in sorted((one, other))
    )
    assert calmer <= busier


@given(sizes, changes, days, classes)
def test_nothing_is_free_of_charge_by_mistake(size: int, change: Decimal, keep: int, storage_class: str) -> None:
    where = at(size, daily_change=str(change), keep_days=str(keep))
    for strategy in (logical(where, storage_class), physical(where, storage_class)):
        assert strategy.usd_monthly > 0
        assert strategy.rto_seconds > 0
        assert all(line.usd >= 0 for line in strategy.monthly)


@pytest.mark.parametrize("axis", axes(at()), ids=lambda axis: axis.name)
def test_two_strategies_cost_the_same_where_they_are_said_to_cross(axis: object) -> None:
    chosen = next(found for found in axes(at()) if found.name == getattr(axis, "name", ""))
    made = sweep(at(), chosen)
    for crossing in made.crossings:
        there = chosen.vary(at(), crossing.at)
        before, after = (STRATEGIES[name](there) for name in (crossing.cheaper_before, crossing.cheaper_after))
        assert before is not None
        assert after is not None
        assert after <= before
        if not chosen.whole:
            assert after == pytest.approx(before, rel=Decimal("0.0001"))


@pytest.mark.parametrize(
    ("size", "given_figures", "message"),
    [
        (0, {}, "0 bytes cannot be"),
        (-5, {}, "-5 bytes cannot be"),
        (GB, {"daily_change": "-0.01"}, "daily change of -1"),
        (GB, {"daily_change": "1.5"}, "daily change of 150"),
        (GB, {"keep_days": "0"}, "0 days"),
        (GB, {"keep_days": "1.5"}, "1.5 days"),
    ],
)
def test_impossible_input_is_refused_with_its_value(size: int, given_figures: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        at(size, **given_figures)


def test_an_unknown_region_is_named_and_a_class_without_a_price_there_too() -> None:
    with pytest.raises(PriceMissing, match="'mars'"):
        at(region="mars")
    assert logical(at(region="eu-west-1")).usd_monthly > 0
    with pytest.raises(PriceMissing, match=r"s3\.storage\.GLACIER_IR in eu-west-1"):
        logical(at(region="eu-west-1"), "GLACIER_IR")


def test_every_figure_says_how_it_is_known() -> None:
    for figure in load_figures():
        assert figure.unit
        if figure.kind is Kind.MEASURED:
            assert figure.known_from.startswith("benchmarks/"), figure
            assert DATE.fullmatch(figure.stated), figure
        elif figure.kind is Kind.SOURCED:
            assert DATE.fullmatch(figure.stated), figure
            assert figure.url.startswith("https://"), figure
        else:
            assert figure.kind is Kind.ASSUMED, figure
            assert figure.known_from, figure


def test_a_figure_that_is_given_says_so() -> None:
    figures: ModelFigures = load_figures().with_values(daily_change=Decimal("0.5"))
    assert figures.figure("daily_change").kind is Kind.GIVEN
    assert figures["daily_change"] == Decimal("0.5")
    with pytest.raises(InputError, match="no figure 'daily_chance'"):
        load_figures().with_values(daily_chance=Decimal(1))
