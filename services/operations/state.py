"""The scheduler's state: one small JSON file, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from services.errors import DISK_FULL
from services.operations.schedule import RunHistory

FORMAT = "shoreline-schedule/1"


@dataclass(frozen=True)
class StateSnapshot:
    """The content of the state file."""

    heartbeat: datetime | None  # when the scheduler last wrote; None once it has stopped
    runs: Mapping[str, RunHistory]  # by schedule


@dataclass
class SchedulerState:
    """The runs of the schedules, stored in a file. Safe to use from several threads."""

    path: Path
    runs: dict[str, RunHistory] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, path: Path, names: tuple[str, ...], now: datetime) -> SchedulerState:
        """Return the state of the schedules with these names; a new one starts `now`.

        Raises OSError for a file that cannot be written, unless the disk is full: the scheduler runs without it.
        """
        snapshot = read(path)
        known = {} if snapshot is None else snapshot.runs
        state = cls(path, {name: known.get(name, RunHistory(since=now)) for name in names})
        try:
            state.write(now)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
        return state

    def note(self, name: str, history: RunHistory, now: datetime) -> None:
        """Record a schedule's runs. Raises OSError."""
        with self._lock:
            self.runs[name] = history
        self.write(now)

    def close(self) -> None:
        """Record that the scheduler has stopped. Raises OSError."""
        self.write(None)

    def write(self, now: datetime | None) -> None:
        """Replace the file. Raises OSError."""
        with self._lock:
            if now is not None:
                self.runs = {name: history.as_of(now) for name, history in self.runs.items()}
            runs = {name: _texts(history) for name, history in self.runs.items()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_name(self.path.name + ".new")
            heartbeat = None if now is None else now.isoformat()
            fresh.write_text(json.dumps({"format": FORMAT, "beat": heartbeat, "schedules": runs}, indent=2))
            fresh.replace(self.path)


def read(path: Path) -> StateSnapshot | None:
    """Return the state that a scheduler has written, or None if the file is missing or in another format."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            return None
        heartbeat = None if stored["beat"] is None else datetime.fromisoformat(stored["beat"])
        return StateSnapshot(heartbeat, {name: _history(texts) for name, texts in stored["schedules"].items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _texts(history: RunHistory) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(history).items()
        if value is not None
    }


def _history(texts: Mapping[str, Any]) -> RunHistory:
    values: dict[str, Any] = {
        name: datetime.fromisoformat(value) if isinstance(value, str) else value for name, value in texts.items()
    }
    return RunHistory(**values)
