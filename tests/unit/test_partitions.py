"""A day's folder and its date are the same thing; nothing else is taken for one."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lake.partitions import day_of, file_name, folder, is_data_file, is_read, keys


@given(st.dates())
def test_folder_round_trips_to_its_day(day: date) -> None:
    assert day_of(folder(day)) == day


def test_month_and_day_are_padded_as_the_projection_declares_them() -> None:
    year, month, day = keys(2024, 2030)
    assert "/".join((year.folder(2025), month.folder(1), day.folder(10))) == folder(date(2025, 1, 10))
    assert folder(date(2025, 1, 10)) == "year=2025/month=01/day=10"


@pytest.mark.parametrize(
    "path", ["", "year=2025/month=1/day=10", "year=2025/month=02/day=30", "year=2025/month=01", "x/year=2025/month=01"]
)
def test_folder_of_another_layout_has_no_day(path: str) -> None:
    assert day_of(path) is None


@pytest.mark.parametrize(
    ("name", "ours"),
    [(file_name(0), True), (file_name(12), True), (".data.parquet.partial", False), ("data.parquet.crc", False)],
)
def test_only_finished_files_are_data(name: str, ours: bool) -> None:
    assert is_data_file(name) is ours


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("year=2025/month=01/day=10/data.parquet", True),
        ("year=2025/month=01/day=10/of-another-tool.parquet", True),
        ("year=2025/month=01/day=10/_data.parquet", False),
        ("year=2025/month=01/day=10/.data.parquet", False),
        ("year=2025/month=02/day=30/data.parquet", False),
        ("data.parquet", False),
    ],
)
def test_queries_read_visible_files_of_days(path: str, read: bool) -> None:
    assert is_read(path) is read
