"""What an upload does is decided beforehand, by size and checksum, and explains itself."""

from __future__ import annotations

from datetime import date

from services.lake.plan import Change, Stored, plan_table

DAY = "year=2025/month=01/day=10"
OTHER = "year=2025/month=01/day=11"
LOCAL = {f"{DAY}/data.parquet": (10, "aa")}


def stored(sha256: str | None = "aa", size: int = 10) -> Stored:
    return Stored(size, "etag", sha256)


def test_a_file_is_sent_unless_size_and_checksum_are_the_same() -> None:
    path = f"{DAY}/data.parquet"
    for there, expected in (
        (None, "new"),
        (stored(sha256="bb"), "changed"),
        (stored(size=11), "changed"),
        (stored(sha256=None), "changed"),
        (stored(), None),
    ):
        plan = plan_table("orders", LOCAL, {path: there} if there else {}, delete=False)
        assert [change.why for change in plan.send] == ([expected] if expected else [])
        assert plan.keep == (() if expected else (path,))


def test_a_file_whose_checksum_was_not_taken_is_never_taken_for_the_same() -> None:
    path = f"{DAY}/data.parquet"
    plan = plan_table("orders", {path: (10, None)}, {path: stored(sha256=None)}, delete=False)
    assert [change.why for change in plan.send] == ["changed"]


def test_only_files_of_a_day_that_is_there_are_strays() -> None:
    there = {
        f"{DAY}/data-1.parquet": stored(),
        f"{DAY}/part.snappy.parquet": stored(),
        f"{DAY}/_SUCCESS": stored(),
        f"{DAY}/.hidden": stored(),
        f"{OTHER}/data.parquet": stored(),
        "loose.parquet": stored(),
        "year=2025/month=1/day=10/data.parquet": stored(),
    }
    plan = plan_table("orders", LOCAL, there, delete=False)
    assert [change.path for change in plan.remove] == [f"{DAY}/data-1.parquet", f"{DAY}/part.snappy.parquet"]


def test_days_that_are_gone_go_when_asked_unless_an_export_holds_them() -> None:
    there = {f"{OTHER}/data.parquet": stored()}
    assert plan_table("orders", LOCAL, there, delete=False).remove == ()
    gone = plan_table("orders", LOCAL, there, delete=True).remove
    assert gone == (Change(f"{OTHER}/data.parquet", 10, "its day is gone locally"),)
    assert plan_table("orders", LOCAL, there, delete=True, stay=[date(2025, 1, 11)]).remove == ()
