"""The scheduler does its work whatever becomes of its memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.schedule import Past, Schedule
from services.operations.scheduler import Scheduler
from services.operations.state import SchedulerState

NONE = timedelta(0)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def test_a_disk_that_takes_no_more_stops_neither_the_jobs_nor_the_word_that_they_are_late(tmp_path: Path) -> None:
    state, done = tmp_path / "schedule.json", tmp_path / "done"
    done.mkdir()
    (tmp_path / "schedule.json.new").mkdir()  # so that nothing can be written there, for root either
    told: list[str] = []
    scheduler = Scheduler(
        {"backup": Schedule("backup", "0 2 * * *", ("backup",), "UTC", NONE, NONE)},
        SchedulerState(state, {"backup": Past(since=LONG_AGO)}),
        command=lambda job: ["touch", str(done / job)],
        tell_late=lambda schedule, due: told.append(f"{schedule.name}, due at {due:%H:%M}"),
    )
    scheduler._beat()
    assert told == ["backup, due at 02:00"]
    scheduler._turn("backup")
    assert [path.name for path in done.iterdir()] == ["backup"]
    assert scheduler.diary.pasts["backup"].exit_code == 0


def test_a_scheduler_starts_on_a_full_disk_and_not_where_it_may_never_write(tmp_path: Path) -> None:
    (tmp_path / "schedule.json.new").symlink_to("/dev/full")
    diary = SchedulerState.open(tmp_path / "schedule.json", ("backup",), LONG_AGO)
    assert diary.pasts["backup"].since == LONG_AGO
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        SchedulerState.open(tmp_path / "file" / "schedule.json", ("backup",), LONG_AGO)
