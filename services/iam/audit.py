"""The audit: AWS calls in the kept receipts, and a search of the account for resources that Shoreline never creates.

The search is by free read-only calls, never by Cost Explorer, which bills $0.01 a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from services.costs.receipt import KeptReceipt
from services.errors import ShorelineError
from services.s3.bucket import TAG
from services.s3.client import Aws, error_code, translate_errors

AUDIT_JOB = "audit"  # its own receipts hold the searches of the account
_KEY, _VALUE = TAG["Key"], TAG["Value"]
_FILTER = [{"Name": f"tag:{_KEY}", "Values": [_VALUE]}]
_NOT_SUBSCRIBED = {"ResourceNotFoundException", "UnsupportedUserEditionException"}
_CATALOG_WORDS = ("Database", "Table", "Partition", "Tag")
_PRICES = {"pricing"}  # `prices --refresh` reads them; they run nothing


class Use(StrEnum):
    """Whether a call of AWS is one that Shoreline says it makes."""

    EXPECTED = "expected"
    PRICES = "prices only"
    UNEXPECTED = "UNEXPECTED"


@dataclass(frozen=True)
class Called:
    """The calls of one service: operations, count, and the jobs that made them."""

    service: str
    use: Use
    calls: int
    operations: tuple[str, ...]
    jobs: tuple[str, ...]


def use_of(service: str, operation: str) -> Use:
    """Classify a call: S3, Athena, STS and Glue's data catalog are expected; Glue's jobs and crawlers are not."""
    if service in {"s3", "athena", "sts"}:
        return Use.EXPECTED
    if service == "glue" and any(word in operation for word in _CATALOG_WORDS):
        return Use.EXPECTED
    return Use.PRICES if service in _PRICES else Use.UNEXPECTED


def called(receipts: Iterable[KeptReceipt]) -> list[Called]:
    """Return the calls that the receipts counted, by service, without those of the audit itself."""
    counts: dict[tuple[str, Use], int] = {}
    operations: dict[tuple[str, Use], set[str]] = {}
    jobs: dict[tuple[str, Use], set[str]] = {}
    for receipt in receipts:
        if receipt.job == AUDIT_JOB:
            continue
        for (service, operation), tally in receipt.usage.operations().items():
            name = (service, use_of(service, operation))
            counts[name] = counts.get(name, 0) + tally.calls
            operations.setdefault(name, set()).add(operation)
            jobs.setdefault(name, set()).add(receipt.job)
    return [
        Called(service, use, count, tuple(sorted(operations[service, use])), tuple(sorted(jobs[service, use])))
        for (service, use), count in sorted(counts.items())
    ]


@dataclass(frozen=True)
class AccountLook:
    """The tagged resources of one kind."""

    kind: str
    how: str  # the API call
    found: tuple[str, ...]  # names
    problem: str = ""  # why they could not be searched


def look_at_account(aws: Aws) -> list[AccountLook]:
    """Search for every kind that Shoreline never creates. A refused call is a problem, not an empty result."""
    return [_look(aws, kind) for kind in _KINDS]


def _look(aws: Aws, kind: str) -> AccountLook:
    how, names = _KINDS[kind]
    try:
        with translate_errors():
            return AccountLook(kind, how, tuple(names(aws)))
    except ShorelineError as error:
        return AccountLook(kind, how, (), str(error))


def _tagged(tags: Iterable[Mapping[str, str]]) -> bool:
    return any(tag.get("Key") == _KEY and tag.get("Value") == _VALUE for tag in tags)


def _pages(aws: Aws, service: str, operation: str, **parameters: Any) -> Iterator[Any]:
    yield from aws.client(service).get_paginator(operation).paginate(**parameters)


def _rds_instances(aws: Aws) -> Iterator[str]:
    for page in _pages(aws, "rds", "describe_db_instances"):
        for found in page.get("DBInstances", []):
            if _tagged(found.get("TagList", [])):
                yield found["DBInstanceIdentifier"]


def _rds_clusters(aws: Aws) -> Iterator[str]:
    for page in _pages(aws, "rds", "describe_db_clusters"):
        for found in page.get("DBClusters", []):
            if _tagged(found.get("TagList", [])):
                yield found["DBClusterIdentifier"]


def _instances(aws: Aws) -> Iterator[str]:
    for page in _pages(aws, "ec2", "describe_instances", Filters=_FILTER):
        for reservation in page.get("Reservations", []):
            for found in reservation.get("Instances", []):
                if found.get("State", {}).get("Name") != "terminated":
                    yield found["InstanceId"]


def _nat_gateways(aws: Aws) -> Iterator[str]:
    for page in _pages(aws, "ec2", "describe_nat_gateways", Filters=_FILTER):
        for found in page.get("NatGateways", []):
            if found.get("State") != "deleted":
                yield found["NatGatewayId"]


def _replications(aws: Aws) -> Iterator[str]:
    client = aws.client("dms")
    for page in client.get_paginator("describe_replication_instances").paginate():
        for found in page.get("ReplicationInstances", []):
            arn = found["ReplicationInstanceArn"]
            if _tagged(client.list_tags_for_resource(ResourceArn=arn).get("TagList", [])):
                yield found["ReplicationInstanceIdentifier"]


def _glue_jobs(aws: Aws) -> Iterator[str]:
    token: dict[str, Any] = {}
    while True:
        page = aws.glue.list_jobs(Tags={_KEY: _VALUE}, **token)
        yield from page.get("JobNames", [])
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def _data_sets(aws: Aws) -> Iterator[str]:
    """Yield QuickSight's data sets; an account without a subscription has none."""
    client = aws.client("quicksight")
    try:
        for page in client.get_paginator("list_data_sets").paginate(AwsAccountId=aws.account_id):
            for found in page.get("DataSetSummaries", []):
                if _tagged(client.list_tags_for_resource(ResourceArn=found["Arn"]).get("Tags", [])):
                    yield found["Name"]
    except ClientError as error:
        if error_code(error) not in _NOT_SUBSCRIBED:
            raise


_KINDS: Mapping[str, tuple[str, Callable[[Aws], Iterator[str]]]] = {
    "RDS instances": ("rds:DescribeDBInstances", _rds_instances),
    "RDS clusters": ("rds:DescribeDBClusters", _rds_clusters),
    "EC2 instances": ("ec2:DescribeInstances", _instances),
    "NAT gateways": ("ec2:DescribeNatGateways", _nat_gateways),
    "DMS replication instances": ("dms:DescribeReplicationInstances", _replications),
    "Glue jobs": ("glue:ListJobs", _glue_jobs),
    "QuickSight data sets": ("quicksight:ListDataSets", _data_sets),
}
