"""A Glue Data Catalog and Athena workgroups over the wire: AWS's JSON protocol, as botocore speaks it.

What it is faithful in: EntityNotFoundException, pages of `page` entries, batches of at most 25 partitions and 100
tables with errors for each, and children that a deleted parent leaves behind for a few looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.proxy import Answer, Asked

Shape = dict[str, Any]
PARTITIONS_A_CALL, TABLES_A_CALL = 25, 100


class Refused(Exception):
    """An error that AWS answers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Table:
    """A table, or a view when it has no location."""

    location: str = ""
    partitions: list[list[str]] = field(default_factory=list)


@dataclass
class FakeCatalog:
    """Databases by name, with their properties and tables; workgroups by name, with their tags.

    `saved` are the ids of the queries that people keep in a workgroup; `stubborn` are tables that are not deleted;
    `lingering` is for how many looks a deleted database answers yet; `denied` are operations that are refused;
    `forgetful` are tables whose partitions are listed once, and never again.
    """

    databases: dict[str, dict[str, Table]] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    workgroups: dict[str, dict[str, str]] = field(default_factory=lambda: {"primary": {}})
    saved: list[str] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    forgetful: set[str] = field(default_factory=set)
    lingering: int = 0
    page: int = 30
    asked: list[str] = field(default_factory=list)
    _forgotten: set[str] = field(default_factory=set)
    _ghosts: dict[str, int] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Answer | None:
        """Answers the requests that are for Glue or Athena; None for the others, which go on to LocalStack."""
        if not asked.target:
            return None
        operation = asked.target.partition(".")[2]
        self.asked.append(operation)
        try:
            if operation in self.denied:
                raise Refused("AccessDeniedException", f"not authorized to perform {operation}")
            status, body = 200, self._operations[operation](json.loads(asked.body))
        except Refused as error:
            status, body = 400, {"__type": error.code, "message": str(error), "Message": str(error)}
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": f"fake-{asked.number}"}
        return Answer(status, json.dumps(body).encode(), headers)

    @property
    def _operations(self) -> dict[str, Callable[[Shape], Shape]]:
        return {
            "GetDatabase": self._get_database,
            "GetTables": self._get_tables,
            "GetTable": self._get_table,
            "GetPartitions": self._get_partitions,
            "BatchDeletePartition": self._delete_partitions,
            "BatchDeleteTable": self._delete_tables,
            "DeleteDatabase": self._delete_database,
            "ListWorkGroups": lambda _: {
                "WorkGroups": [{"Name": name, "State": "ENABLED"} for name in self.workgroups]
            },
            "GetWorkGroup": self._get_workgroup,
            "ListTagsForResource": self._tags,
            "ListNamedQueries": lambda request: self._paged(request, "NamedQueryIds", self.saved),
            "ListPreparedStatements": lambda _: {"PreparedStatements": []},
            "DeleteWorkGroup": self._delete_workgroup,
        }

    def _tables(self, name: str) -> dict[str, Table]:
        if name not in self.databases:
            raise Refused("EntityNotFoundException", f"Database {name} not found.")
        return self.databases[name]

    def _table(self, request: Shape, name: str) -> Table:
        tables = self._tables(request["DatabaseName"])
        if name not in tables:
            raise Refused("EntityNotFoundException", f"Entity Not Found: {name}")
        return tables[name]

    def _get_database(self, request: Shape) -> Shape:
        name = request["Name"]
        if self._ghosts.get(name, 0) > 0:
            self._ghosts[name] -= 1
            return {"Database": {"Name": name}}
        self._tables(name)
        return {"Database": {"Name": name, "Parameters": self.properties.get(name, {})}}

    def _get_tables(self, request: Shape) -> Shape:
        tables = self._tables(request["DatabaseName"])
        shapes = [_shape(name, table) for name, table in sorted(tables.items())]
        return self._paged(request, "TableList", shapes)

    def _get_table(self, request: Shape) -> Shape:
        return {"Table": _shape(request["Name"], self._table(request, request["Name"]))}

    def _get_partitions(self, request: Shape) -> Shape:
        table = self._table(request, request["TableName"])
        partitions = [] if request["TableName"] in self._forgotten else table.partitions
        answer = self._paged(request, "Partitions", [{"Values": values} for values in partitions])
        if "NextToken" not in answer and request["TableName"] in self.forgetful:
            self._forgotten.add(request["TableName"])
        return answer

    def _paged(self, request: Shape, name: str, entries: Sequence[Any]) -> Shape:
        start = int(request.get("NextToken") or 0)
        answer: Shape = {name: entries[start : start + self.page]}
        if start + self.page < len(entries):
            answer["NextToken"] = str(start + self.page)
        return answer

    def _delete_partitions(self, request: Shape) -> Shape:
        table = self._table(request, request["TableName"])
        if len(request["PartitionsToDelete"]) > PARTITIONS_A_CALL:
            raise Refused("InvalidInputException", "too many partitions")
        for partition in request["PartitionsToDelete"]:
            if partition["Values"] in table.partitions:
                table.partitions.remove(partition["Values"])
        return {"Errors": []}

    def _delete_tables(self, request: Shape) -> Shape:
        tables = self._tables(request["DatabaseName"])
        if len(request["TablesToDelete"]) > TABLES_A_CALL:
            raise Refused("InvalidInputException", "too many tables")
        errors = []
        for name in request["TablesToDelete"]:
            if name in self.stubborn:
                detail = {"ErrorCode": "InternalServiceException", "ErrorMessage": "it will not go"}
                errors.append({"TableName": name, "ErrorDetail": detail})
            else:
                tables.pop(name, None)
        return {"Errors": errors}

    def _delete_database(self, request: Shape) -> Shape:
        self._tables(request["Name"])
        del self.databases[request["Name"]]
        self._ghosts[request["Name"]] = self.lingering
        return {}

    def _get_workgroup(self, request: Shape) -> Shape:
        name = request["WorkGroup"]
        if name not in self.workgroups:
            raise Refused("InvalidRequestException", f"WorkGroup {name} is not found.")
        return {"WorkGroup": {"Name": name, "State": "ENABLED"}}

    def _tags(self, request: Shape) -> Shape:
        name = request["ResourceARN"].rpartition("/")[2]
        self._get_workgroup({"WorkGroup": name})
        tags = self.workgroups[name]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _delete_workgroup(self, request: Shape) -> Shape:
        self._get_workgroup(request)
        del self.workgroups[request["WorkGroup"]]
        return {}


def _shape(name: str, table: Table) -> Shape:
    if not table.location:
        return {"Name": name, "TableType": "VIRTUAL_VIEW"}
    return {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": {"Location": table.location}}
