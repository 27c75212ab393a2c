"""Whatever S3 answers, the proof tells the truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline
from tests.faults.proxy import SLOW_DOWN, Answer, Asked, Fault, FaultProxy, Reset, every
from tests.integration.filled import fill

INCOMPLETE, UNREACHABLE, REFUSED = 21, 6, 10
_LIE = Answer(200, b"<?xml version='1.0'?><DeleteResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'/>")
_DENIED = Answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")

Through = Callable[..., tuple[Outcome, FaultProxy]]


@pytest.fixture
def through(shoreline: Shoreline, stack: dict[str, str]) -> Through:
    """Runs a job whose S3 is behind a proxy with the fault that `decide` makes."""

    def run(decide: Callable[[Asked], Fault | None], *arguments: str) -> tuple[Outcome, FaultProxy]:
        with FaultProxy(stack["AWS_ENDPOINT_URL"], decide) as proxy:
            return shoreline(*arguments, env={"AWS_ENDPOINT_URL": proxy.url}), proxy

    return run


@pytest.mark.parametrize("fault", [SLOW_DOWN, Reset(), Reset(after_asking=True)], ids=["503", "reset", "answer lost"])
def test_one_failing_request_in_five_changes_nothing_of_the_outcome(
    through: Through, storage: Storage, fault: Fault
) -> None:
    fill(storage, objects=30, versions=2, uploads=6)
    outcome, proxy = through(every(5, fault), "cleanup", "--yes", "--json")
    assert outcome.exit_code == 0, outcome.errors
    assert proxy.faults > 0
    assert not storage.exists()


def test_a_delete_that_lies_is_found_out(through: Through, storage: Storage) -> None:
    fill(storage, objects=12, versions=2, uploads=0)
    outcome, _ = through(lambda asked: _LIE if asked.is_delete_objects else None, "cleanup", "--yes", "--json")
    assert outcome.exit_code == INCOMPLETE
    left = {
        check["resource"]: check["detail"] for check in outcome.json["result"]["checks"] if check["verdict"] == "LEFT"
    }
    assert left["objects datalake/"] == "12 versions"
    assert storage.exists()


def test_a_delete_that_lies_about_some_keys_once_is_repeated(through: Through, storage: Storage) -> None:
    fill(storage, objects=12, versions=2, uploads=0)
    lies = iter([True])
    outcome, _ = through(
        lambda asked: _LIE if asked.is_delete_objects and next(lies, False) else None, "cleanup", "--yes", "--json"
    )
    assert outcome.exit_code == 0, outcome.errors
    assert not storage.exists()


def test_keys_that_fail_in_passing_are_tried_again(through: Through, storage: Storage) -> None:
    storage.put("datalake/a.parquet", b"rows")
    key = b"<Key>datalake/a.parquet</Key><VersionId>null</VersionId>"
    failed = (
        b"<DeleteResult><Error>" + key + b"<Code>InternalError</Code><Message>again</Message></Error></DeleteResult>"
    )
    faults = iter([Answer(200, failed), Answer(200, failed)])
    outcome, _ = through(
        lambda asked: next(faults, None) if asked.is_delete_objects else None, "cleanup", "--yes", "--json"
    )
    assert outcome.exit_code == 0, outcome.errors
    assert not storage.exists()


def test_a_key_that_s3_refuses_to_delete_is_named_with_s3s_reason(through: Through, storage: Storage) -> None:
    storage.put("datalake/a.parquet", b"rows")
    key = b"<Key>datalake/a.parquet</Key><VersionId>null</VersionId>"
    refused = Answer(
        200,
        b"<DeleteResult><Error>" + key + b"<Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
    )
    outcome, _ = through(lambda asked: refused if asked.is_delete_objects else None, "cleanup", "--yes", "--json")
    assert outcome.exit_code == INCOMPLETE
    assert outcome.json["result"]["removed"]["refused"] == {"datalake/a.parquet": "no (AccessDenied)"}


def test_a_bucket_that_may_not_be_deleted_is_emptied_and_named(through: Through, storage: Storage) -> None:
    fill(storage, objects=3, versions=1, uploads=1)

    def denied(asked: Asked) -> Fault | None:
        return _DENIED if asked.method == "DELETE" and asked.path.strip("/") == storage.bucket else None

    outcome, _ = through(denied, "cleanup", "--yes", "--json")
    assert outcome.exit_code == INCOMPLETE, outcome.errors
    verdicts = {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}
    assert verdicts[f"bucket {storage.bucket}"] == "LEFT"
    assert verdicts["objects datalake/"] == "gone"
    assert "AWS refused DeleteBucket" in outcome.json["result"]["removed"]["refused"][storage.bucket]


def test_an_upload_that_may_not_be_aborted_is_named_and_the_rest_goes(through: Through, storage: Storage) -> None:
    fill(storage, objects=3, versions=1, uploads=1)

    def denied(asked: Asked) -> Fault | None:
        return _DENIED if asked.method == "DELETE" and "uploadId" in asked.query else None

    outcome, _ = through(denied, "cleanup", "--yes", "--json")
    assert outcome.exit_code == INCOMPLETE, outcome.errors
    (why,) = outcome.json["result"]["removed"]["refused"].values()
    assert "AWS refused AbortMultipartUpload" in why
    assert not list(storage.objects("datalake/"))


@pytest.mark.parametrize("call", ["tagging", "versions", "uploads"])
def test_a_look_that_fails_stops_everything(through: Through, storage: Storage, call: str) -> None:
    fill(storage, objects=4, versions=1, uploads=1)
    outcome, proxy = through(lambda asked: _DENIED if call in asked.query else None, "cleanup", "--yes")
    assert outcome.exit_code == REFUSED
    assert not [asked for asked in proxy.asked if asked.method == "DELETE" or asked.is_delete_objects]
    assert len(list(storage.objects(""))) == 4


def test_what_the_proof_cannot_look_at_does_not_count_as_gone(through: Through, storage: Storage) -> None:
    storage.put("datalake/a.parquet", b"rows")
    seen = []

    def decide(asked: Asked) -> Fault | None:
        if asked.method == "DELETE":
            seen.append(asked)
        return _DENIED if seen and "versions" in asked.query else None

    outcome, _ = through(decide, "cleanup", "--yes", "--json")
    assert outcome.exit_code == INCOMPLETE
    verdicts = {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}
    assert verdicts["objects datalake/"] == "UNKNOWN"


def test_a_store_that_is_gone_is_told_as_such(shoreline: Shoreline, storage: Storage) -> None:
    outcome = shoreline("cleanup", "--yes", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert outcome.exit_code == UNREACHABLE
    assert "Traceback" not in outcome.errors
