"""What an upload does is decided beforehand, by size and checksum, and explains itself."""

from __future__ import annotations

from datetime import date

from services.lake.plan import Change, StoredFile, plan_table

DAY = "year=2025/month=01/day=10"
OTHER = "year=2025/month=01/day=11"
LOCAL = {f"{DAY}/data.parquet": (10, "aa")}


def stored(sha256: str | None = "aa", size: int = 10, *, own: bool = True) -> StoredFile:
    return StoredFile(size, "etag", sha256, own)


def test_file_is_sent_unless_size_and_checksum_match() -> None:
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


def test_file_without_checksum_is_sent() -> None:
    path = f"{DAY}/data.parquet"
    plan = plan_table("orders", {path: (10, None)}, {path: stored(sha256=None)}, delete=False)
    assert [change.why for change in plan.send] == ["changed"]


def test_only_files_of_uploaded_days_are_strays() -> None:
    there = {
        f"{DAY}/data-1.parquet": stored(),
        f"{DAY}/data-2.parquet": stored(own=False),
        f"{DAY}/part.snappy.parquet": stored(own=False),
        f"{DAY}/_SUCCESS": stored(),
        f"{DAY}/.hidden": stored(),
        f"{OTHER}/data.parquet": stored(),
        "loose.parquet": stored(),
        "year=2025/month=1/day=10/data.parquet": stored(),
    }
    plan = plan_table("orders", LOCAL, there, delete=False)
    assert [change.path for change in plan.remove] == [f"{DAY}/data-1.parquet"]
    assert plan.foreign == (f"{DAY}/data-2.parquet", f"{DAY}/part.snappy.parquet")


def test_foreign_files_are_removed_only_when_confirmed() -> None:
    there = {
        f"{DAY}/foreign.parquet": stored(own=False),
        f"{DAY}/merged.parquet": stored(own=False),
        f"{OTHER}/foreign.parquet": stored(own=False),
    }
    kept = plan_table("orders", LOCAL, there, delete=True)
    assert (kept.remove, len(kept.foreign)) == ((), 3)
    gone = plan_table("orders", LOCAL, there, delete=False, delete_foreign=True)
    assert [change.path for change in gone.remove] == [f"{DAY}/foreign.parquet", f"{DAY}/merged.parquet"]


def test_compact_plan_removes_only_its_sources() -> None:
    there = {f"{DAY}/{name}.parquet": stored() for name in ("data-1", "data-2", "foreign")}
    plan = plan_table("orders", LOCAL, there, delete=False, replaced=[f"{DAY}/data-1.parquet"])
    assert [change.path for change in plan.remove] == [f"{DAY}/data-1.parquet"]


def test_missing_days_are_removed_with_delete() -> None:
    there = {f"{OTHER}/data.parquet": stored()}
    assert plan_table("orders", LOCAL, there, delete=False).remove == ()
    gone = plan_table("orders", LOCAL, there, delete=True).remove
    assert gone == (Change(f"{OTHER}/data.parquet", 10, "its day is gone locally"),)


def test_vanished_days_are_removed() -> None:
    there = {f"{OTHER}/data.parquet": stored()}
    plan = plan_table("orders", LOCAL, there, delete=False, vanished=[date(2025, 1, 11)])
    assert [change.path for change in plan.remove] == [f"{OTHER}/data.parquet"]
    assert plan.vanished == 1
