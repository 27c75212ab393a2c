"""What a run of each job prints with --json, writes into the bucket and keeps on disk, compared with the record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from jobs.cli.console import jsonable
from jobs.demo import DemoReport, DemoStep
from jobs.stack import StackReport
from services.lake.journal import DayMerge, Journal
from services.lake.remote import RemoteLake
from services.operations.schedule import RunHistory
from services.operations.state import SchedulerState
from services.postgres.client import Database
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.contracts.conftest import Matches
from tests.contracts.record import Record, tree, union
from tests.contracts.stored import STORED, save

DATA_KEYED = (
    *("columns", "costliest", "cut", "days", "files", "refused", "rows", "tables", "widened"),  # in results
    *("least", "most", "results", "schedules", "schema", "schemas", "sequences", "sources"),  # in stored objects
)
"""Objects whose keys are names of tables, columns, files or days."""
INVOICES = """
CREATE TABLE invoices (id integer PRIMARY KEY, issued_at timestamptz NOT NULL, total numeric(12,2), note text);
INSERT INTO invoices SELECT n, timestamptz '2025-01-10 06:00+00' + n * interval '6 hours', n * 1.5, repeat('x', n % 40)
FROM generate_series(0, 11) n;
"""
AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
DAY = "year=2025/month=01/day=10"
ORDERS = ("generate", "--dates", "2025-01-10,2025-01-11", "--rows-per-day", "20", "--users", "5")
EXPORT = ("export", "--table", "public.invoices:issued_at")
BUILT = {
    "up": StackReport("host:1", "http://host:2, bucket b", "psql"),
    "down": StackReport(None, None),
    "demo": DemoReport((DemoStep("setup", "done", 0.5, Decimal(1)),)),
}
"""Reports of jobs that start servers, or that run all others: they are not run for this."""


@dataclass
class Runs:
    """The command line on one bucket and one database, and the trees of what it printed."""

    shoreline: Shoreline
    env: Mapping[str, str]
    printed: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def __call__(self, *arguments: str, code: int = 0, **env: str) -> Any:
        """Run a job with --json, and return its result."""
        outcome = self.shoreline(*arguments, "--json", env={**self.env, **env})
        assert outcome.exit_code == code, f"{arguments}: {outcome.output}{outcome.errors}"
        envelope = outcome.json
        self._keep("receipt", envelope.pop("receipt", {}))
        result = envelope.pop("result", {})
        self._keep(arguments[0], result)
        self._keep("every job", {**envelope, "result": {}, "receipt": {}})
        for line in filter(lambda line: line.startswith("{"), outcome.errors.splitlines()):
            self._keep("log line", json.loads(line))
        return result

    def _keep(self, subject: str, value: Any) -> None:
        self.printed.setdefault(subject, []).append(tree(value, DATA_KEYED))

    @property
    def trees(self) -> Record:
        """The paths that each job printed."""
        return {subject: union(*found) for subject, found in self.printed.items()}


@pytest.fixture
def runs(shoreline: Shoreline, tmp_path: Path) -> Runs:
    """Run jobs with all that they may write switched on."""
    env = {
        "LOG_FORMAT": "json",
        "BACKUP_GLOBALS": "no-passwords",
        "BACKUP_SCHEDULE": "0 2 * * *",
        "METRICS_FILE": str(tmp_path / "metrics" / "shoreline.prom"),
        "SCHEDULE_STATE": str(tmp_path / "schedule.json"),
    }
    return Runs(shoreline, env)


def test_runs_of_all_jobs_match_the_record(
    runs: Runs,
    matches: Matches,
    recording: bool,
    database: Database,
    copy: Database,
    storage: Storage,
    execute: Callable[[str], None],
    tmp_path: Path,
) -> None:
    runs("database")
    execute(INVOICES)
    _back_up(runs, database, copy)
    _fill_lake(runs, storage, tmp_path / "output")
    _look(runs)
    write_state(tmp_path / "schedule.json")
    runs("schedule", "--plan")
    write_journal(storage)
    keys = [found.key for found in storage.objects("")]
    formats = {name: _formats(storage, keys, pattern) for name, pattern in FORMATS.items()}
    formats["schedule"] = tree(json.loads((tmp_path / "schedule.json").read_text()), DATA_KEYED)
    if recording and not (STORED / version("shoreline")).exists():
        save(STORED / version("shoreline"), storage, tmp_path)
    runs("receipts")
    runs("audit")
    runs("cleanup", "--dry-run")
    runs("cleanup", "--yes")
    kept = [json.loads(path.read_text()) for path in (tmp_path / "receipts").glob("*.json")]
    formats["receipt file"] = union(*(tree(found, DATA_KEYED) for found in kept))
    matches("stored-formats", formats)
    matches("keys", {"bucket": dict.fromkeys(map(_shape, keys), "key")})
    matches("json", {**runs.trees, **{name: tree(jsonable(report)) for name, report in BUILT.items()}})


FORMATS = {
    "backup manifest": r"backups/.*\.manifest\.json",
    "lease": r"backups/.*/lease\.json",
    "drill record": r"backups/.*\.drill\.json",
    "lake manifest": r"datalake/_manifest/[a-z]+\.json",
    "export record": r"datalake/_manifest/[a-z]+\.export\.json",
    "compact journal": r"datalake/_manifest/compact\.journal\.json",
}


def _back_up(runs: Runs, database: Database, copy: Database) -> None:
    runs("setup", "--check", code=23)
    runs("setup")
    runs("status", code=23)
    assert runs("backup", code=11, PGDATABASE=f"{database.name}_missing,{database.name}")["failed"]
    runs("backup")
    runs("drill")
    runs("backup")
    runs("backups")
    runs("status")
    runs("prune", "--dry-run")
    runs("restore", "--into", copy.name)


def _fill_lake(runs: Runs, storage: Storage, output: Path) -> None:
    runs(*ORDERS)
    runs(*EXPORT)
    runs("upload", "--dry-run")
    runs("upload")
    (file,) = (output / "orders" / DAY).glob("*.parquet")
    for number in (1, 2):
        storage.put(f"datalake/events/{DAY}/part-{number}.parquet", file.read_bytes())
        storage.put(f"datalake/orders/{DAY}/part-{number}.parquet", file.read_bytes())
    assert runs("compact", "--dry-run", "--tables", "orders")["merges"]
    storage.delete([f"datalake/events/{DAY}/part-{number}.parquet" for number in (1, 2)])
    storage.delete([f"datalake/orders/{DAY}/part-{number}.parquet" for number in (1, 2)])


def _look(runs: Runs) -> None:
    runs("athena")
    runs("athena", "--check")
    runs("tables")
    runs("query", "01")
    runs("query", "01", "--explain")
    runs("cost", "--size", "10GB")
    runs("prices")
    runs("preflight")
    runs("iam", "--account", "123456789012")


def write_state(path: Path) -> None:
    """Write what a scheduler keeps: a schedule that ran, and one that is running."""
    past = RunHistory(since=AT).begin(AT).end(AT, 0)
    SchedulerState(path, {"backup": past, "drill": RunHistory(since=AT).begin(AT)}).write(AT)


def write_journal(storage: Storage) -> None:
    """Write the journal of a compact that was killed before it wrote a file."""
    lake = RemoteLake(storage, "datalake")
    sources = {path: found.etag for path, found in lake.listed("orders").items() if path.startswith(DAY)}
    journal = Journal({"orders": {DAY: DayMerge(sources, {f"{DAY}/merged.parquet": "0" * 64})}})
    storage.put(lake.journal_key, journal.to_json())


def _formats(storage: Storage, keys: Iterable[str], pattern: str) -> dict[str, str]:
    bodies = [storage.read(key) for key in keys if re.fullmatch(pattern, key)]
    assert bodies, pattern
    keyed = (*DATA_KEYED, "tables.*") if "journal" in pattern else DATA_KEYED
    return union(*(tree(json.loads(body or b""), keyed) for body in bodies))


def _shape(key: str) -> str:
    """Return a key with placeholders for what differs: digits, the names of tables and of databases."""
    names = {
        r"(?<=^backups/postgres/)(?!\d{4}/)[^/]+(?=/)": "DATABASE",
        r"(?<=^datalake/)(?!_)[^/]+(?=/)": "TABLE",
        r"(?<=^datalake/_manifest/)[^/.]+(?=\.json$|\.export\.json$)": "TABLE",
    }
    for pattern, name in names.items():
        key = re.sub(pattern, name, key)
    return re.sub(r"\d", "#", key)
