"""The committed analysis is what the price file and the measurements make; every figure in it is known somehow."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.cost_analysis.model.figures import load_figures
from services.cost_analysis.model.history import history_of
from services.cost_analysis.report.analysis import Analysis, analyse, stale, write
from services.cost_analysis.report.charts import Mark, bar_chart, line_chart
from services.cost_analysis.report.inputs import Inputs, parse_days, parse_share, parse_size, read_demo
from services.cost_analysis.report.summary import summarise
from services.cost_analysis.report.text import duration, figure, usd
from services.costs.prices import PriceList, load_prices
from services.errors import BackupNotFound, InputError

PROJECT = Path(__file__).resolve().parents[2]
OWN = Inputs(load_prices(), load_figures(), "us-east-1", demo=read_demo())
GB = 10**9


@pytest.fixture(scope="module")
def made() -> Analysis:
    """The project's own analysis."""
    return analyse(OWN)


def test_the_committed_analysis_is_what_would_be_written_now() -> None:
    assert stale(OWN, PROJECT / "COST_ANALYSIS.md") == ()


def test_a_changed_price_makes_the_analysis_stale() -> None:
    document = PROJECT / "COST_ANALYSIS.md"
    key = ("s3.storage.STANDARD", "us-east-1")
    dearer = tuple(replace(price, usd=price.usd * 2) for price in OWN.prices.prices[key])
    prices = PriceList({**OWN.prices.prices, key: dearer}, OWN.prices.classes, OWN.prices.allowances)
    assert str(document) in stale(replace(OWN, prices=prices), document)


def test_what_was_written_is_stale_in_the_chart_alone_that_was_changed_by_hand(tmp_path: Path) -> None:
    document = tmp_path / "COST_ANALYSIS.md"
    chart = next(path for path in write(OWN, document) if path.suffix == ".svg")
    chart.write_text("<svg/>")
    assert stale(OWN, document) == (str(chart),)


def test_equal_inputs_give_equal_bytes(made: Analysis) -> None:
    assert made == analyse(Inputs(load_prices(), load_figures(), "us-east-1", demo=read_demo()))


def test_every_figure_of_the_model_stands_in_the_analysis_with_how_it_is_known(made: Analysis) -> None:
    for known in OWN.figures:
        (row,) = [line for line in made.document.splitlines() if line.startswith(f"| `{known.name}` |")]
        assert f"**{known.kind.value}**" in row
        assert known.known_from in row
        assert known.stated in row


def test_the_analysis_leaves_no_place_of_its_template_open(made: Analysis) -> None:
    assert not re.findall(r"\{[a-z_]+", made.document)


def test_every_chart_is_shown_and_is_whole_svg_for_light_and_dark_pages(made: Analysis) -> None:
    assert len(made.charts) == 7
    for name, text in made.charts.items():
        assert f"(docs/charts/{name})" in made.document
        root = ElementTree.fromstring(text)  # noqa: S314  # our own text
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in text


def test_an_analysis_of_one_s_own_has_its_size_and_not_this_project_s_run() -> None:
    own = Inputs(
        load_prices(), load_figures().with_values(keep_days=Decimal(14)), "us-east-1", (250 * GB,), charts="mine-charts"
    )
    document = analyse(own).document
    assert "250 GB" in document
    assert "14 days" in document
    assert "make demo" not in document
    assert "(mine-charts/size.svg)" in document
    assert "**given**: given to `shoreline cost`" in document


def test_a_region_with_few_prices_is_analysed_with_what_is_missing_named() -> None:
    document = analyse(Inputs(load_prices(), load_figures(), "eu-west-1")).document
    assert "No price is known for rds.backup in eu-west-1" in document
    assert "No price is known for athena.scan in eu-west-1" in document


def test_the_summary_warns_of_a_minimum_and_names_a_missing_price() -> None:
    warned = summarise(Inputs(load_prices(), load_figures(), "us-east-1", (GB,)), "DEEP_ARCHIVE")
    assert "at least 180 days" in warned.warnings[0]
    missing = summarise(Inputs(load_prices(), load_figures(), "eu-west-1", (GB,)), "STANDARD").rows[-1]
    assert missing.usd_monthly is None
    assert "rds.backup" in missing.note


def taken(days: int, database: int, dump: int) -> SimpleNamespace:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)
    return SimpleNamespace(taken_at=at, database_bytes=database, object=SimpleNamespace(bytes=dump))


def test_manifests_tell_size_ratio_and_growth() -> None:
    history = history_of([taken(10, 120 * GB, 30 * GB), taken(0, 100 * GB, 20 * GB)], "app")
    assert history.dump_ratio == Decimal("0.25")
    assert history.sizes == (120 * GB, 120 * GB + 365 * 2 * GB)


def test_a_database_that_does_not_grow_has_no_size_in_a_year() -> None:
    assert history_of([taken(0, 100 * GB, GB)], "app").sizes == (100 * GB,)
    assert history_of([taken(0, 100 * GB, GB), taken(9, 90 * GB, GB)], "app").sizes == (90 * GB,)


def test_without_a_backup_there_is_nothing_to_take_a_size_from() -> None:
    with pytest.raises(BackupNotFound, match="of app exists"):
        history_of([], "app")


@pytest.mark.parametrize(("text", "value"), [("2%", "0.02"), (" 2.5% ", "0.025"), ("0.02", "0.02"), ("100%", "1")])
def test_a_share_is_read_from_percent_or_a_fraction(text: str, value: str) -> None:
    assert parse_share(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "%", "two", "2%%"])
def test_what_is_no_share_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is not a share"):
        parse_share(text)


def test_sizes_and_days_are_read_or_named() -> None:
    assert parse_size("1.5TB") == 1_500 * GB
    assert parse_days("30") == 30
    with pytest.raises(InputError, match="'big' is not a size"):
        parse_size("big")
    with pytest.raises(InputError, match="'long' is not a number"):
        parse_days("long")


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "$0"), ("0.00001", "$0"), ("0.0004", "$0.00040"), ("0.02", "$0.02"), ("1234.5", "$1,234.50")],
)
def test_dollars_are_shown_as(value: str, text: str) -> None:
    assert usd(Decimal(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "30 s"), (60, "1 min"), (5400, "1.5 h"), (86400, "1 day"), (200000, "2.3 days")]
)
def test_times_are_shown_as(seconds: int, text: str) -> None:
    assert duration(Decimal(seconds)) == text


@pytest.mark.parametrize(("value", "text"), [("0", "0"), ("0.12346", "0.1235"), ("12345.6", "12,346"), ("100", "100")])
def test_figures_are_shown_as(value: str, text: str) -> None:
    assert figure(Decimal(value)) == text


def test_a_curve_ends_where_a_strategy_is_not_offered() -> None:
    chart = line_chart(
        "t", "x", "y", [Decimal(1), Decimal(10)], {"a": [Decimal(1), None], "b": [Decimal(2), Decimal(3)]}
    )
    lengths = [len(points.split()) for points in re.findall(r'points="([^"]*)"', chart)]
    assert lengths == [1, 2]


def test_a_mark_stands_at_its_place_on_both_axes() -> None:
    x, y = [Decimal(1), Decimal(100)], {"a": [Decimal(1), Decimal(100)]}
    chart = line_chart("t", "x", "y", x, y, [Mark(Decimal(10), Decimal(10), "here")])
    (circle,) = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)
    ends = re.findall(r'points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"', chart)[0]
    assert float(circle[0]) == pytest.approx((float(ends[0]) + float(ends[2])) / 2, abs=0.1)
    assert float(circle[1]) == pytest.approx((float(ends[1]) + float(ends[3])) / 2, abs=0.1)


def test_text_in_a_chart_is_escaped() -> None:
    chart = ElementTree.fromstring(bar_chart("a & b", "<x>", [("< 1 & 2", Decimal(1), 0)]))  # noqa: S314  # our own text
    assert {"a & b", "< 1 & 2"} <= set(chart.itertext())
