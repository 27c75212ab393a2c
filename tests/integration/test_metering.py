"""The meter's counts are LocalStack's own, operation by operation; receipts and budgets of real runs."""

from __future__ import annotations

import io
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from services.costs.account import Account
from services.costs.bill import Biller, Usage
from services.costs.prices import load_prices
from services.errors import BudgetExceeded
from services.local.localstack import LocalStack
from services.local.stack import HOME, PROJECT
from services.s3.client import Aws, AwsAccess
from services.s3.objects import Storage
from tests.conftest import Shoreline

_LOGGED = re.compile(r"localstack\.request\.aws +: AWS (\w+)\.(\w+) => (\d+)")
PART = 5 * 2**20


class Watched:
    """A LocalStack of the test's own, so that its request log holds the test's requests only."""

    def __init__(self, folder: Path) -> None:
        self._server = LocalStack(folder, HOME / "localstack-venv", PROJECT / "localstack")
        self._log = folder / "server.log"
        self.url = self._server.start()

    def requests(self) -> Counter[tuple[str, str]]:
        """The requests that LocalStack logged, by service and operation."""
        found = _LOGGED.findall(self._log.read_text())
        return Counter((service, operation) for service, operation, _ in found)

    def settled(self, before: Counter[tuple[str, str]], expected: int) -> Counter[tuple[str, str]]:
        """The requests since `before`, as soon as the log holds as many as expected: it lags behind the answers."""
        deadline = time.monotonic() + 60
        while (logged := self.requests() - before).total() < expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return logged

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def watched(stack: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    server = Watched(tmp_path_factory.mktemp("localstack"))
    yield server
    server.stop()


def account(limit: str = "1", *, enforced: bool = True) -> Account:
    biller = Biller(load_prices(), "us-east-1", "internet")
    return Account(biller, limit=Decimal(limit), enforced=enforced, billed=False)


def connect(url: str, to: Account) -> Aws:
    return Aws(AwsAccess(region="us-east-1", endpoint_url=url), to.attach)


def _use_everything(aws: Aws, bucket: str) -> None:
    s3 = aws.s3
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "project", "Value": "shoreline"}]})
    s3.get_bucket_tagging(Bucket=bucket)
    for number in range(7):
        s3.put_object(Bucket=bucket, Key=f"small/{number}", Body=b"x" * number)
    transfer = TransferConfig(PART, multipart_chunksize=PART, preferred_transfer_client="classic")
    s3.upload_fileobj(io.BytesIO(b"y" * (3 * PART + 1)), bucket, "large", Config=transfer)
    s3.download_fileobj(bucket, "large", io.BytesIO(), Config=transfer)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "small/6"})
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}):
        assert page["KeyCount"]
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="missing")
    open_upload = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="never", UploadId=open_upload)
    s3.delete_object(Bucket=bucket, Key="small/0")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "small/1"}, {"Key": "missing"}]})


def test_the_meter_counts_what_localstack_logged_operation_by_operation(watched: Watched) -> None:
    before = watched.requests()
    mine = account()
    _use_everything(connect(watched.url, mine), f"test-{uuid.uuid4().hex[:16]}")
    counted = Counter({name: tally.attempts for name, tally in mine.meter.snapshot().operations().items()})
    assert counted == watched.settled(before, counted.total())
    assert counted["s3", "UploadPart"] == 4
    assert counted["s3", "ListObjectsV2"] == 3


def test_the_receipts_of_real_jobs_count_what_localstack_logged(
    watched: Watched, shoreline: Shoreline, execute: Callable[[str], None]
) -> None:
    execute("CREATE TABLE t AS SELECT n, md5(n::text) AS word FROM generate_series(1, 1000) AS n")
    env = {"AWS_ENDPOINT_URL": watched.url, "BUCKET": f"test-{uuid.uuid4().hex[:16]}"}
    before = watched.requests()
    jobs = ("setup", "backup", "backups", "drill", "generate", "upload", "cleanup --yes")
    counted: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        outcome = shoreline(*job.split(), "--json", env=env)
        assert outcome.exit_code == 0, outcome.errors
        usage = Usage.from_json(outcome.json["receipt"]["usage"])
        counted += Counter({name: tally.attempts for name, tally in usage.operations().items()})
    assert counted == watched.settled(before, counted.total())
    assert counted["s3", "GetObject"] > 0


def test_a_run_is_charged_for_what_it_left_behind(watched: Watched) -> None:
    mine = account()
    _use_everything(connect(watched.url, mine), f"test-{uuid.uuid4().hex[:16]}")
    objects, sizes = mine._ledger.left()
    # 7 small ones of 0 to 6 bytes less the first two, the large one, the copy of six bytes
    assert objects == 7
    assert sizes == {"STANDARD": 2 + 3 + 4 + 5 + 6 + 3 * PART + 1 + 6}


def test_a_run_stops_before_it_passes_its_limit(watched: Watched) -> None:
    bucket = f"test-{uuid.uuid4().hex[:16]}"
    mine = account("0.00002")  # four PUTs: one makes the bucket
    aws = connect(watched.url, mine)
    aws.s3.create_bucket(Bucket=bucket)
    for number in range(3):
        aws.s3.put_object(Bucket=bucket, Key=str(number), Body=b"")
    with pytest.raises(BudgetExceeded):
        aws.s3.put_object(Bucket=bucket, Key="4", Body=b"")
    free = connect(watched.url, account())
    assert free.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 3


def test_job_receipt_is_kept_and_summed(shoreline: Shoreline, settings: dict[str, str]) -> None:
    receipt = shoreline("setup", "--json").json["receipt"]
    assert Decimal(receipt["usd"]) > 0
    assert receipt["billed"] is False
    (kept,) = Path(settings["RECEIPTS_DIR"]).glob("setup_*.json")
    assert f'"run_id": "{receipt["run_id"]}"' in kept.read_text()
    added = shoreline("receipts", "--json", fresh=True).json["result"]
    assert added["receipts"] == 1
    assert Decimal(added["usd"]) == Decimal(receipt["usd"])
    assert Decimal(added["usd_billed"]) == 0


def test_job_over_its_limit_exits_20(shoreline: Shoreline) -> None:
    outcome = shoreline("setup", env={"MAX_RUN_COST_USD": "0"})
    assert outcome.exit_code == 20
    assert "MAX_RUN_COST_USD" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_upload_over_the_limit_sends_nothing(shoreline: Shoreline, storage: Storage) -> None:
    assert shoreline("generate").exit_code == 0
    outcome = shoreline("upload", env={"MAX_RUN_COST_USD": "0.00006"})
    assert outcome.exit_code == 20
    assert "Uploading 12 files" in outcome.errors
    assert not list(storage.objects("datalake/"))


def test_query_over_the_limit_does_not_run(shoreline: Shoreline) -> None:
    assert shoreline("generate").exit_code == 0
    assert shoreline("upload").exit_code == 0
    sql = "SELECT count(*) FROM orders WHERE year = 2025 AND month = 1 AND day = 10"
    outcome = shoreline("query", sql, "--engine", "athena", env={"MAX_RUN_COST_USD": "0.00005"})
    assert outcome.exit_code == 20
    assert "would cost about" in outcome.errors  # Athena's floor, $0.00005, with what the look at the lake has cost


def test_default_limit_does_not_stop_an_unbilled_run(shoreline: Shoreline) -> None:
    outcome = shoreline("setup")
    assert outcome.exit_code == 0
    assert "this endpoint bills nothing" in outcome.errors
