"""The scheduler works even if its state cannot be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operations.schedule import RunHistory, Schedule
from services.operations.scheduler import Scheduler
from services.operations.state import SchedulerState

NONE = timedelta(0)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def test_scheduler_runs_and_reports_lateness_on_full_disk(tmp_path: Path) -> None:
    path, done = tmp_path / "schedule.json", tmp_path / "done"
    done.mkdir()
    (tmp_path / "schedule.json.new").mkdir()  # so that nothing can be written there, for root either
    reported: list[str] = []
    scheduler = Scheduler(
        {"backup": Schedule("backup", "0 2 * * *", ("backup",), "UTC", NONE, NONE)},
        SchedulerState(path, {"backup": RunHistory(since=LONG_AGO)}),
        command=lambda job: ["touch", str(done / job)],
        report_late=lambda schedule, due: reported.append(f"{schedule.name}, due at {due:%H:%M}"),
    )
    scheduler._beat()
    assert reported == ["backup, due at 02:00"]
    scheduler._run_jobs("backup")
    assert [path.name for path in done.iterdir()] == ["backup"]
    assert scheduler.state.runs["backup"].exit_code == 0


def test_scheduler_starts_on_full_disk_but_not_without_permission(tmp_path: Path) -> None:
    (tmp_path / "schedule.json.new").symlink_to("/dev/full")
    state = SchedulerState.open(tmp_path / "schedule.json", ("backup",), LONG_AGO)
    assert state.runs["backup"].since == LONG_AGO
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        SchedulerState.open(tmp_path / "file" / "schedule.json", ("backup",), LONG_AGO)
