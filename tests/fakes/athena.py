"""Athena over the wire: the JSON protocol as botocore speaks it, with every state that a query can be in.

What it is faithful in: a query is QUEUED, then RUNNING, then ended, one state a look; results come in pages, the header
row first; a start is refused with TooManyRequestsException while the queue is full; the same ClientRequestToken starts
one query; a stopped query is CANCELLED at a later look; DDL makes and drops tables of the Glue catalog; a workgroup's
cut-off is at least 10,000,000 bytes. It answers no SQL: what a query answers is told beforehand.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from tests.fakes.catalog import Refused, Shape
from tests.faults.proxy import Answer, Asked, Reset

Column = tuple[str, str] | tuple[str, str, int, int]


@dataclass
class Reply:
    """What becomes of a query: the states that it is seen in, and its answer or the reason of its failure."""

    states: list[str] = field(default_factory=lambda: ["QUEUED", "RUNNING", "SUCCEEDED"])
    columns: list[Column] = field(default_factory=lambda: [("_col0", "integer")])
    rows: list[list[str | None]] = field(default_factory=lambda: [["1"]])
    scanned: int = 0
    reason: str = ""


@dataclass
class Query:
    """A query that was started."""

    query_id: str
    request: Shape
    reply: Reply
    states: list[str]
    stopped: bool = False


@dataclass
class FakeAthena:
    """`replies` are looked up by a part of the SQL, the first that it holds; `throttled` starts are refused first."""

    replies: dict[str, Reply] = field(default_factory=dict)
    throttled: int = 0
    lost_starts: int = 0
    workgroups: dict[str, Shape] = field(default_factory=dict)
    tables: dict[str, Shape] = field(default_factory=dict)
    queries: list[Query] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    looked: threading.Event = field(default_factory=threading.Event)  # set when a query's state is asked again

    def __call__(self, asked: Asked) -> Answer | Reset | None:
        """Answers what is for Athena or Glue; None for the rest, which goes on to LocalStack."""
        if not asked.target:
            return None
        operation = asked.target.partition(".")[2]
        self.asked.append(operation)
        try:
            status, body = 200, self._operations[operation](json.loads(asked.body))
        except Refused as error:
            status, body = 400, {"__type": error.code, "message": str(error), "Message": str(error)}
        if operation == "StartQueryExecution" and self.lost_starts and status == 200:
            self.lost_starts -= 1
            return Reset()
        return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/x-amz-json-1.1"})

    @property
    def sql(self) -> list[str]:
        """What was run, in order."""
        return [query.request["QueryString"] for query in self.queries]

    @property
    def _operations(self) -> dict[str, Callable[[Shape], Shape]]:
        return {
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._look,
            "StopQueryExecution": self._stop,
            "GetQueryResults": self._results,
            "GetWorkGroup": self._workgroup,
            "CreateWorkGroup": self._create_workgroup,
            "UpdateWorkGroup": self._update_workgroup,
            "ListTagsForResource": self._tags,
            "GetTable": self._table,
        }

    def _start(self, request: Shape) -> Shape:
        if self.throttled:
            self.throttled -= 1
            raise Refused("TooManyRequestsException", "You have exceeded the limit for queued queries.")
        if request["WorkGroup"] not in self.workgroups:
            raise Refused("InvalidRequestException", f"WorkGroup {request['WorkGroup']} is not found.")
        for query in self.queries:
            if query.request["ClientRequestToken"] == request["ClientRequestToken"]:
                return {"QueryExecutionId": query.query_id}
        sql = request["QueryString"]
        reply = next((reply for part, reply in self.replies.items() if part in sql), Reply())
        query = Query(f"query-{len(self.queries)}", request, reply, list(reply.states))
        self.queries.append(query)
        self._define(sql)
        return {"QueryExecutionId": query.query_id}

    def _define(self, sql: str) -> None:
        if sql.startswith("CREATE EXTERNAL TABLE"):
            create = sqlglot.parse_one(sql, read="athena")
            table, properties = create.this.this, list(create.args["properties"].expressions)
            by_kind = {type(part): part.this for part in properties}
            self.tables.setdefault(
                f"{table.db}.{table.name}",
                {
                    "Name": table.name,
                    "StorageDescriptor": {
                        "Location": by_kind[exp.LocationProperty].name,
                        "Columns": [_glue_column(column) for column in create.this.expressions],
                    },
                    "PartitionKeys": [_glue_column(key) for key in by_kind[exp.PartitionedByProperty].expressions],
                    "Parameters": {"EXTERNAL": "TRUE"}
                    | {part.name: part.args["value"].name for part in properties if type(part) is exp.Property},
                },
            )
        elif sql.startswith("DROP TABLE IF EXISTS "):
            self.tables.pop(sql.split()[-1], None)

    def _query(self, request: Shape) -> Query:
        return next(query for query in self.queries if query.query_id == request["QueryExecutionId"])

    def _look(self, request: Shape) -> Shape:
        query = self._query(request)
        if self.asked.count("GetQueryExecution") > 1:
            self.looked.set()
        state = query.states[0]
        if len(query.states) > 1:
            query.states.pop(0)
        status: Shape = {"State": state}
        if query.reply.reason:
            status["StateChangeReason"] = query.reply.reason
        statistics = {"DataScannedInBytes": query.reply.scanned, "TotalExecutionTimeInMillis": 1500}
        return {
            "QueryExecution": {
                "QueryExecutionId": query.query_id,
                "Query": query.request["QueryString"],
                "StatementType": _kind(query.request["QueryString"].lstrip("-")),
                "Status": status,
                "Statistics": statistics,
            }
        }

    def _stop(self, request: Shape) -> Shape:
        query = self._query(request)
        query.stopped, query.states = True, ["RUNNING", "CANCELLED"]
        return {}

    def _results(self, request: Shape) -> Shape:
        reply = self._query(request).reply
        header: list[str | None] = [column[0] for column in reply.columns]
        rows = [header, *reply.rows]
        start, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or 1000)
        cells = [
            {"Data": [{} if text is None else {"VarCharValue": text} for text in row]}
            for row in rows[start : start + size]
        ]
        answer: Shape = {
            "ResultSet": {"Rows": cells, "ResultSetMetadata": {"ColumnInfo": [_info(c) for c in reply.columns]}}
        }
        if start + size < len(rows):
            answer["NextToken"] = str(start + size)
        return answer

    def _workgroup(self, request: Shape) -> Shape:
        name = request["WorkGroup"]
        if name not in self.workgroups:
            raise Refused("InvalidRequestException", f"WorkGroup {name} is not found.")
        return {"WorkGroup": {"Name": name, "State": "ENABLED", "Configuration": self.workgroups[name]}}

    def _create_workgroup(self, request: Shape) -> Shape:
        if request["Configuration"]["BytesScannedCutoffPerQuery"] < 10_000_000:
            raise Refused("InvalidRequestException", "BytesScannedCutoffPerQuery is too small")
        self.workgroups[request["Name"]] = {**request["Configuration"], "Tags": request["Tags"]}
        return {}

    def _update_workgroup(self, request: Shape) -> Shape:
        self._workgroup(request)
        updates = dict(request["ConfigurationUpdates"])
        updates["ResultConfiguration"] = updates.pop("ResultConfigurationUpdates")
        self.workgroups[request["WorkGroup"]] |= updates
        return {}

    def _tags(self, request: Shape) -> Shape:
        name = request["ResourceARN"].rpartition("/")[2]
        self._workgroup({"WorkGroup": name})
        return {"Tags": self.workgroups[name].get("Tags", [])}

    def _table(self, request: Shape) -> Shape:
        name = f"{request['DatabaseName']}.{request['Name']}"
        if name not in self.tables:
            raise Refused("EntityNotFoundException", f"Entity Not Found: {name}")
        return {"Table": self.tables[name]}


def _glue_column(column: exp.Expr) -> Shape:
    return {"Name": column.name, "Type": column.args["kind"].sql("hive").lower().replace(" ", "")}


def _info(column: Column) -> Shape:
    size = {"Precision": column[2], "Scale": column[3]} if len(column) == 4 else {"Precision": 0, "Scale": 0}
    return {"Name": column[0], "Type": column[1], **size}


def _kind(sql: str) -> str:
    return {"SELECT": "DML", "EXPLAIN": "UTILITY"}.get(sql.split(maxsplit=1)[0], "DDL")
