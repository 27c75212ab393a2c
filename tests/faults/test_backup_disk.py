"""No file can be written: a backup needs none, and a restore that needs one leaves everything as it was."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from services.backups.dump import fingerprint
from services.backups.repository import DumpOptions
from services.local.stack import PROJECT
from services.postgres.client import Database
from tests.archives import Archives
from tests.faults.conftest import filled


def run_without_disk(settings: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a job that may not write a byte to any file, as on a full disk."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "jobs", *arguments],
        env={**settings, "PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )


def test_a_backup_needs_no_disk(
    archives: Archives, database: Database, settings: dict[str, str], tmp_path: Path
) -> None:
    filled(database, 1)
    done = run_without_disk(settings, tmp_path, "backup", "--json")
    assert done.returncode == 0, done.stderr
    (backup,) = archives.assert_whole()
    assert backup.manifest.fingerprint == fingerprint(database)
    assert "Traceback" not in done.stderr


def test_a_full_disk_stops_a_restore_that_needs_one(
    archives: Archives, database: Database, settings: dict[str, str], tmp_path: Path
) -> None:
    filled(database, 1)
    archives.back_up(database, options=DumpOptions("custom", globals="none"))
    before = fingerprint(database)
    done = run_without_disk(settings, tmp_path, "restore", "--replace", "--yes", "--jobs", "2")
    assert done.returncode == 14, done.stderr
    assert "could not be written" in done.stderr
    assert fingerprint(database) == before
    assert not list(tmp_path.rglob("*.dump"))
