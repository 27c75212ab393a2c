"""The scheduler's memory: one small JSON file, replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from services.errors import DISK_FULL
from services.operations.schedule import Past

FORMAT = "shoreline-schedule/1"


@dataclass(frozen=True)
class StateSnapshot:
    """What the file says: when the scheduler last wrote, None once it has stopped; and the pasts of its schedules."""

    beat: datetime | None
    pasts: Mapping[str, Past]


@dataclass
class SchedulerState:
    """Keeps `pasts` in a file. Its methods may be called from several threads."""

    path: Path
    pasts: dict[str, Past] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, path: Path, names: tuple[str, ...], now: datetime) -> SchedulerState:
        """What is known of the schedules of these names; one that is new begins `now`.

        Raises OSError for a file that cannot be written, unless the disk is full: a scheduler runs all the same.
        """
        found = read(path)
        known = {} if found is None else found.pasts
        diary = cls(path, {name: known.get(name, Past(since=now)) for name in names})
        try:
            diary.write(now)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
        return diary

    def note(self, name: str, past: Past, now: datetime) -> None:
        """Keeps what has become of a schedule. Raises OSError."""
        with self._lock:
            self.pasts[name] = past
        self.write(now)

    def close(self) -> None:
        """Says that the scheduler has stopped. Raises OSError."""
        self.write(None)

    def write(self, now: datetime | None) -> None:
        """Replaces the file. Raises OSError."""
        with self._lock:
            if now is not None:
                self.pasts = {name: past.as_of(now) for name, past in self.pasts.items()}
            pasts = {name: _texts(past) for name, past in self.pasts.items()}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_name(self.path.name + ".new")
            beat = None if now is None else now.isoformat()
            fresh.write_text(json.dumps({"format": FORMAT, "beat": beat, "schedules": pasts}, indent=2))
            fresh.replace(self.path)


def read(path: Path) -> StateSnapshot | None:
    """What a scheduler has written, or None when there is no such file or it is none of ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            return None
        beat = None if found["beat"] is None else datetime.fromisoformat(found["beat"])
        return StateSnapshot(beat, {name: _past(texts) for name, texts in found["schedules"].items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _texts(past: Past) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(past).items()
        if value is not None
    }


def _past(texts: Mapping[str, Any]) -> Past:
    values: dict[str, Any] = {
        name: datetime.fromisoformat(value) if isinstance(value, str) else value for name, value in texts.items()
    }
    return Past(**values)
