"""An AWS account as the audit looks at it: EC2, RDS, DMS, Glue's jobs, QuickSight, each in its own protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.faults.proxy import Answer, Asked

_TAG = "<Tag><Key>project</Key><Value>shoreline</Value></Tag>"


@dataclass
class FakeAccount:
    """Beside resources of others there is, when `tagged`, one of each kind with the project's tag.

    `denied` refuses every look.
    """

    tagged: bool = False
    denied: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer | None:
        """Answers all but STS and S3, which go on to LocalStack; the caller is no root user."""
        operation = self._operation(asked)
        self.asked.append(operation)
        answer = self._answers.get(operation)
        if answer is None:
            return None
        if self.denied and operation != "GetCallerIdentity":
            return _refusal(operation)
        return answer(asked)

    @staticmethod
    def _operation(asked: Asked) -> str:
        if asked.target:
            return asked.target.rpartition(".")[2]
        if asked.path.startswith("/accounts/"):
            return "ListDataSets"
        if asked.path.startswith("/resources/"):
            return "QuickSightTags"
        return parse_qs(asked.body.decode(errors="replace")).get("Action", [asked.path])[0]

    @property
    def _answers(self) -> dict[str, Callable[[Asked], Answer]]:
        ours = self.tagged
        tag = _TAG if ours else ""
        return {
            "GetCallerIdentity": lambda _: _xml(
                "GetCallerIdentity",
                "<Arn>arn:aws:iam::000000000000:user/auditor</Arn><Account>000000000000</Account><UserId>u</UserId>",
            ),
            "DescribeDBInstances": lambda _: _xml("DescribeDBInstances", _rds("DBInstance", tag)),
            "DescribeDBClusters": lambda _: _xml("DescribeDBClusters", _rds("DBCluster", tag)),
            "DescribeInstances": lambda asked: _filtered(
                asked,
                ours,
                "DescribeInstances",
                "<reservationSet><item><instancesSet><item><instanceId>i-0123</instanceId></item></instancesSet></item>"
                "</reservationSet>",
            ),
            "DescribeNatGateways": lambda asked: _filtered(
                asked,
                ours,
                "DescribeNatGateways",
                "<natGatewaySet><item><natGatewayId>nat-0123</natGatewayId><state>available</state></item></natGatewaySet>",
            ),
            "DescribeReplicationInstances": lambda _: _json(
                ReplicationInstances=[
                    {
                        "ReplicationInstanceIdentifier": name,
                        "ReplicationInstanceArn": f"arn:aws:dms:us-east-1:0:rep:{name}",
                    }
                    for name in ("theirs", "ours")
                ]
            ),
            "ListTagsForResource": lambda asked: _json(TagList=self._tags(b"rep:ours" in asked.body)),
            "ListJobs": lambda asked: _json(JobNames=["ours"] if ours and b"shoreline" in asked.body else []),
            "ListDataSets": lambda _: _json(
                DataSetSummaries=[
                    {"Arn": f"arn:aws:quicksight:us-east-1:0:dataset/{n}", "Name": n} for n in ("ours", "theirs")
                ]
            ),
            "QuickSightTags": lambda asked: _json(Tags=self._tags("ours" in asked.path)),
        }

    def _tags(self, is_ours: bool) -> list[dict[str, str]]:
        return [{"Key": "project", "Value": "shoreline"}] if self.tagged and is_ours else []


def _json(**body: Any) -> Answer:
    return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/x-amz-json-1.1"})


def _xml(operation: str, result: str) -> Answer:
    text = f"<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>"
    return Answer(200, text.encode(), {"Content-Type": "text/xml"})


def _rds(kind: str, tag: str) -> str:
    def one(name: str, tags: str) -> str:
        return f"<{kind}><{kind}Identifier>{name}</{kind}Identifier><TagList>{tags}</TagList></{kind}>"

    return f"<{kind}s>{one('ours', tag)}{one('theirs', '')}</{kind}s>"


def _filtered(asked: Asked, ours: bool, operation: str, items: str) -> Answer:
    """EC2 filters by itself: without the tag's filter everything would be there."""
    given = parse_qs(asked.body.decode())
    filters = {given["Filter.1.Name"][0], given["Filter.1.Value.1"][0]}
    assert filters == {"tag:project", "shoreline"}
    text = f"<{operation}Response>{items if ours else ''}</{operation}Response>"
    return Answer(200, text.encode(), {"Content-Type": "text/xml"})


def _refusal(operation: str) -> Answer:
    if operation in {"DescribeInstances", "DescribeNatGateways"}:
        error = "<Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
        return Answer(403, f"<Response><Errors>{error}</Errors></Response>".encode(), {"Content-Type": "text/xml"})
    if operation.startswith("DescribeDB"):
        body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        return Answer(403, body.encode(), {"Content-Type": "text/xml"})
    body = json.dumps({"__type": "AccessDeniedException", "message": "no"})
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "AccessDeniedException"}
    return Answer(403, body.encode(), headers)
