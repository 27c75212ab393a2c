"""The options of a restore name one backup, and a moment is read as UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from jobs.restore import moment, pick, show
from services.backups.restore import Restored
from services.errors import InputError


def test_a_moment_is_in_utc_unless_it_says_otherwise() -> None:
    assert moment("2025-06-10T14:00") == datetime(2025, 6, 10, 14, tzinfo=UTC)
    assert moment("2025-06-10 14:00+02:00") == datetime(2025, 6, 10, 12, tzinfo=UTC)
    assert moment("2025-06-10") == datetime(2025, 6, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", "2025-02-30", "14:00"])
def test_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="Invalid time"):
        moment(text)


@pytest.mark.parametrize(
    "options", [{"latest": True, "key": "k"}, {"before": "2025-06-10", "key": "k"}, {"latest": True, "before": "x"}]
)
def test_conflicting_backup_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        pick(SimpleNamespace(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "told"), [(True, "part of a backup of 3 tables, 7 rows, 1.2 KB"), (False, "3 tables, 7 rows, 1.2 KB")]
)
def test_a_restored_part_is_not_told_as_the_whole(part: bool, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(Restored("k.dump", "x", False, 3, 7, 1200, 0.5, part), Console(highlight=False))
    assert f"  content     {told}\n" in capsys.readouterr().out
