"""The plan of a cleanup holds at the moment of removal, and what contradicts it is a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import jobs.cleanup
from jobs.cleanup import Options, cleanup
from jobs.cli.result import Terminated
from services.cleanup.plan import CleanupPlan
from services.cleanup.removal import Removed
from services.cleanup.verification import Check, Verdict, _compare_counts
from services.s3.objects import Storage
from tests.conftest import Shoreline
from tests.faults.proxy import Answer, Asked, Fault, FaultProxy
from tests.integration.filled import fill

INCOMPLETE = 21
STAMPS = ("20250609_143022", "20250610_143022", "20250611_143022")
_NO_UPLOADS = Answer(
    200, b"<?xml version='1.0'?><ListMultipartUploadsResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'/>"
)


def manifest(stamp: str) -> str:
    return f"backups/postgres/{stamp[:4]}/{stamp[4:6]}/{stamp[6:8]}/backup_{stamp}.manifest.json"


def test_the_plan_names_the_backups_that_go(shoreline: Shoreline, storage: Storage) -> None:
    for stamp in STAMPS:
        storage.put(manifest(stamp), b"{}")
    planned = shoreline("cleanup", "--json").json["result"]["plan"]
    (item,) = [each for each in planned["items"] if each["resource"].startswith("backups ")]
    assert "3 backups (the newest of 2025-06-11 14:30:22 UTC, the oldest of 2025-06-09 14:30:22 UTC)" in item["detail"]
    assert len(planned["backups"]) == 3
    kept = shoreline("cleanup", "--keep-backups", "--json").json["result"]["plan"]
    assert kept["backups"] == []


def test_uploads_that_vanish_after_the_plan_contradict_it(
    shoreline: Shoreline, storage: Storage, stack: dict[str, str]
) -> None:
    """As on a store that lists the uploads once and never again."""
    fill(storage, objects=3, versions=1, uploads=1)
    seen: list[Asked] = []

    def decide(asked: Asked) -> Fault | None:
        if asked.method == "GET" and "uploads" in asked.query:
            seen.append(asked)
        return _NO_UPLOADS if len(seen) > 1 and asked is seen[-1] else None

    with FaultProxy(stack["AWS_ENDPOINT_URL"], decide) as proxy:
        outcome = shoreline("cleanup", "--yes", "--json", env={"AWS_ENDPOINT_URL": proxy.url})
    assert outcome.exit_code == INCOMPLETE
    verdicts = {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}
    assert "CONTRADICTED" in verdicts.values()
    assert "1 unfinished upload, 0 of them were removed" in outcome.json["error"]


def test_uploads_that_no_prefix_finds_are_removed(
    shoreline: Shoreline, storage: Storage, stack: dict[str, str]
) -> None:
    """As on MinIO, which lists uploads below a prefix only for the whole key."""
    fill(storage, objects=3, versions=1, uploads=2)

    def decide(asked: Asked) -> Fault | None:
        return _NO_UPLOADS if "uploads" in asked.query and any(asked.query.get("prefix", [])) else None

    with FaultProxy(stack["AWS_ENDPOINT_URL"], decide) as proxy:
        outcome = shoreline("cleanup", "--yes", "--json", env={"AWS_ENDPOINT_URL": proxy.url})
    assert outcome.exit_code == 0, outcome.errors
    assert outcome.json["result"]["removed"]["uploads"] == 2


@pytest.mark.parametrize(
    ("verdict", "planned", "removed", "expected"),
    [
        (Verdict.GONE, 1, 0, Verdict.CONTRADICTED),
        (Verdict.GONE, 2, 1, Verdict.CONTRADICTED),
        (Verdict.GONE, 1, 1, Verdict.GONE),
        (Verdict.GONE, 1, 3, Verdict.GONE),
        (Verdict.LEFT, 1, 0, Verdict.LEFT),
        (Verdict.UNKNOWN, 1, 0, Verdict.UNKNOWN),
    ],
)
def test_less_removed_than_planned_contradicts_a_proof_of_nothing(
    verdict: Verdict, planned: int, removed: int, expected: Verdict
) -> None:
    check = _compare_counts(Check("objects x/", "deleted", "listed", verdict), planned, removed, "version")
    assert check.verdict is expected
    assert check.passed is (expected is Verdict.GONE)


class Work:
    """A cleanup whose bucket gets another backup while the lease is waited for."""

    def __init__(self, plans: list[CleanupPlan], then: Callable[[Removed], Any]) -> None:
        self._plans, self._then = plans, then
        self.carried_out: list[CleanupPlan] = []

    def plan(self, **_: bool) -> CleanupPlan:
        return self._plans.pop(0)

    def backups(self) -> tuple[str, ...]:
        return ("first", "second")

    def carry_out(self, plan: CleanupPlan, _lease: object, removed: Removed) -> Any:
        self.carried_out.append(plan)
        return self._then(removed)


def empty_plan(*backups: str) -> CleanupPlan:
    return replace(
        CleanupPlan("b", "1", (), (), (), (), (), (), (), {}, False, False, False, SimpleNamespace(), None, None, None),  # type: ignore[arg-type]
        backups=backups,
        bucket_exists=True,
    )


@pytest.fixture
def agreed(monkeypatch: pytest.MonkeyPatch) -> list[CleanupPlan]:
    """The plans that somebody was shown, and agreed to."""
    shown: list[CleanupPlan] = []

    @contextmanager
    def lease(*_: object) -> Iterator[None]:
        yield None

    monkeypatch.setattr(jobs.cleanup, "_confirm", lambda plan, _: shown.append(plan))
    monkeypatch.setattr("jobs.cli.repository.archive_of", lambda _: SimpleNamespace(lease=lease))
    return shown


def run_with(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.cleanup, "_cleanup_of", lambda *_: work)
    cleanup(SimpleNamespace(interactive=True, evidence={}), Options())  # type: ignore[arg-type]


def test_backup_after_the_plan_needs_a_new_confirmation(
    agreed: list[CleanupPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = empty_plan("first"), empty_plan("first", "second")
    work = Work([before, after], lambda _: None)
    run_with(work, monkeypatch)
    assert agreed == [before, after]
    assert work.carried_out == [after]


def test_unchanged_plan_is_confirmed_once(agreed: list[CleanupPlan], monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work([empty_plan("first", "second")], lambda _: None)
    run_with(work, monkeypatch)
    assert len(agreed) == 1


@pytest.mark.usefixtures("agreed")
def test_interrupted_cleanup_reports_what_it_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobs.cli.logging import configure

    def stop(removed: Removed) -> None:
        removed.versions, removed.uploads, removed.bucket = 1200, 1, True
        raise Terminated

    configure("INFO", "text", lambda text: text, job="cleanup", run_id="1")
    with pytest.raises(Terminated):
        run_with(Work([empty_plan("first", "second")], stop), monkeypatch)
    told = capsys.readouterr().err
    assert "1,200 versions and markers and 1 unfinished upload removed so far, and the bucket b" in told
