"""A user's own tables are declared in a file or an option, and what is wrong is told at once."""

from __future__ import annotations

import pytest

from services.errors import InputError
from services.lake.declaration import ExportSource, declared_sources, from_options, from_toml

GOOD = """
[tables.invoices]
source = "billing.Invoices"
time_column = "issued_at"
leave_out = ["notes"]
sort_by = ["customer_id"]
types = { total = "decimal(18, 4)", shape = "string" }
rename = { year = "fiscal_year" }

[tables.visits]
time_column = "at"
"""


def test_toml_declares_tables() -> None:
    invoices, visits = from_toml(GOOD, "lake.toml")
    assert invoices == ExportSource(
        name="invoices",
        schema="billing",
        relation="Invoices",
        time_column="issued_at",
        leave_out=("notes",),
        sort_by=("customer_id",),
        types={"total": "decimal(18, 4)", "shape": "string"},
        rename={"year": "fiscal_year"},
    )
    assert visits == ExportSource(name="visits", schema="public", relation="visits", time_column="at")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tables", "not valid TOML"),
        ("", "has no [tables.NAME]"),
        ("tables = 1", "has no [tables.NAME]"),
        ("[tables.Bad]\ntime_column='a'", "tables.Bad: the name may"),
        ("[tables.a]", "time_column is missing"),
        ("[tables.a]\ntime_column=1", "time_column must be a string"),
        ("[tables.a]\ntime_column='a'\nsort_by='b'", "sort_by must be a list"),
        ("[tables.a]\ntime_column='a'\ntypes={b=1}", "types must be a table"),
        ("[tables.a]\ntime_column='a'\ntypes={b='float'}", "types.b is 'float'"),
        ("[tables.a]\ntime_column='a'\ntypes={b='decimal(40,2)'}", "types.b is"),
        ("[tables.a]\ntime_column='a'\ncolour='red'", "unknown option 'colour'"),
        ("[tables.a]\ntime_column='a'\n[other]", "other: unknown section"),
    ],
)
def test_invalid_toml_is_refused_with_reason(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        from_toml(text, "lake.toml")
    assert expected in str(caught.value)


def test_all_problems_of_toml_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        from_toml("[tables.A]\ncolour=1\n[tables.b]\n", "lake.toml")
    assert str(caught.value).count("\n") == 4


def test_option_names_table_and_time_column() -> None:
    assert from_options(["sales.Orders:placed_at", "visits:at"]) == (
        ExportSource("orders", "sales", "Orders", "placed_at"),
        ExportSource("visits", "public", "visits", "at"),
    )


@pytest.mark.parametrize("options", [["orders"], [":at"], ["orders:"], ["a.x:t", "b.x:t"], ["Große:t"]])
def test_option_without_table_is_refused(options: list[str]) -> None:
    with pytest.raises(InputError):
        from_options(options)


def test_sample_tables_are_declared() -> None:
    assert [source.name for source in declared_sources()] == ["orders", "events"]
