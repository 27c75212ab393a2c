"""Athena's side: the database's tables with their partitions, and the workgroup: looked at, then removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from services.concurrency import each
from services.errors import StorageError
from services.queries.athena.workgroup import workgroup_tags
from services.s3.bucket import TAG
from services.s3.client import Aws, error_code, translate_errors

Item = TypeVar("Item")
MARK = (TAG["Key"], TAG["Value"])  # among a database's properties
_VIEW = "VIRTUAL_VIEW"
_PRIMARY = "primary"  # the workgroup that every account has and that AWS does not delete
_DEFAULT = "default"  # the database that Athena itself needs
_PARTITIONS, _TABLES = 25, 100  # that one batch call takes
_ABSENT = "EntityNotFoundException"


@dataclass(frozen=True)
class LakeTable:
    """A table whose data lie in Shoreline's part of the bucket, and its partitions in the catalog."""

    name: str
    partitions: int


@dataclass(frozen=True)
class CatalogInventory:
    """What of Athena's there is. `others` are tables and views that are not Shoreline's: they keep the database.

    `saved` are the queries and prepared statements in the workgroup, which Shoreline never makes: they keep it.
    """

    database: str
    workgroup: str
    tables: tuple[LakeTable, ...] = ()
    others: tuple[str, ...] = ()
    database_exists: bool = False
    database_is_ours: bool = False
    workgroup_exists: bool = False
    workgroup_is_ours: bool = False
    saved: int = 0

    @property
    def remove_database(self) -> bool:
        """Whether the database goes."""
        return self.database_exists and self.database_is_ours and not self.others

    @property
    def remove_workgroup(self) -> bool:
        """Whether the workgroup goes."""
        return self.workgroup_exists and self.workgroup_is_ours and not self.saved


def look_at_catalog(
    aws: Aws, database: str, workgroup: str, locations: Iterable[str], views: Collection[str] = ()
) -> CatalogInventory:
    """What there is under the two names.

    A table is Shoreline's when its data lie below one of `locations`; a view, when it is one of `views`.

    A database is Shoreline's when its properties say so, or when all that it holds is; the workgroup, when its
    tag says so. A call that fails ends the look: an inventory is never partial.
    """
    below = tuple(locations)
    tables: list[LakeTable] = []
    others: list[str] = []
    with translate_errors():
        properties = _database_properties(aws, database)
        for table in _tables(aws, database) if properties is not None else ():
            name = table["Name"]
            if table.get("TableType") == _VIEW and name in views:
                tables.append(LakeTable(name, 0))
            elif (table.get("StorageDescriptor", {}).get("Location", "").rstrip("/") + "/").startswith(below):
                tables.append(LakeTable(name, sum(1 for _ in partition_values(aws, database, name))))
            else:
                others.append(name)
        marked = properties is not None and properties.get(MARK[0]) == MARK[1]
        exists = _workgroup_exists(aws, workgroup)
        ours = exists and workgroup != _PRIMARY and TAG in workgroup_tags(aws, workgroup)
        return CatalogInventory(
            database=database,
            workgroup=workgroup,
            tables=tuple(tables),
            others=tuple(others),
            database_exists=properties is not None,
            database_is_ours=database != _DEFAULT and (marked or (bool(tables) and not others)),
            workgroup_exists=exists,
            workgroup_is_ours=ours,
            saved=_saved(aws, workgroup) if ours else 0,
        )


def partition_values(aws: Aws, database: str, table: str) -> Iterator[list[str]]:
    """The values of each partition of a table; none for a table that is gone."""
    pages: Iterable[Any] = aws.glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, ExcludeColumnSchema=True
    )
    try:
        for page in pages:
            yield from (partition["Values"] for partition in page.get("Partitions", []))
    except ClientError as error:
        if error_code(error) != _ABSENT:
            raise


def _database_properties(aws: Aws, database: str) -> dict[str, str] | None:
    try:
        return dict(aws.glue.get_database(Name=database)["Database"].get("Parameters", {}))
    except ClientError as error:
        if error_code(error) == _ABSENT:
            return None
        raise


def _tables(aws: Aws, database: str) -> Iterator[Any]:
    for page in aws.glue.get_paginator("get_tables").paginate(DatabaseName=database):
        yield from page["TableList"]


def _workgroup_exists(aws: Aws, workgroup: str) -> bool:
    """By listing: for one that is not there, GetWorkGroup answers an error that other mistakes answer too."""
    pages = _pages(aws.athena.list_work_groups)
    return any(found.get("Name") == workgroup for page in pages for found in page["WorkGroups"])


def _saved(aws: Aws, workgroup: str) -> int:
    """How many queries and prepared statements people keep in the workgroup: they would go with it."""
    queries = _pages(aws.athena.list_named_queries, WorkGroup=workgroup)
    statements = _pages(aws.athena.list_prepared_statements, WorkGroup=workgroup)
    return sum(len(page.get("NamedQueryIds", ())) for page in queries) + sum(
        len(page.get("PreparedStatements", ())) for page in statements
    )


def _pages(ask: Callable[..., Any], **request: str) -> Iterator[Any]:
    while True:
        page = ask(**request)
        yield page
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]


@dataclass
class RemovedFromCatalog:
    """What went, and what AWS would not let go, by name, with its own words."""

    tables: int = 0
    partitions: int = 0
    database: bool = False
    workgroup: bool = False
    removed_tables: dict[str, int] = field(default_factory=dict)  # partitions that were removed, by deleted table
    refused: dict[str, str] = field(default_factory=dict)


def remove_from_catalog(aws: Aws, found: CatalogInventory) -> RemovedFromCatalog:
    """Removes what the inventory says is Shoreline's: partitions before their table, tables before the database.

    Glue removes a deleted table's partitions in its own time: so they are deleted first, by name.
    Source: AWS Glue API, DeleteTable.
    """
    removed = RemovedFromCatalog()
    with _refusals(removed.refused, f"tables of {found.database}"):
        partitions = {}
        for table in found.tables:
            partitions[table.name] = _remove_partitions(aws, found.database, table.name, removed.refused)
            removed.partitions += partitions[table.name]
        for names in _batches((table.name for table in found.tables), _TABLES):
            answer = aws.glue.batch_delete_table(DatabaseName=found.database, TablesToDelete=names)
            _note(answer.get("Errors", []), lambda error: error["TableName"], removed.refused)
            removed.removed_tables |= {name: partitions[name] for name in names if name not in removed.refused}
            removed.tables = len(removed.removed_tables)
    if found.remove_database and not removed.refused:
        with _refusals(removed.refused, found.database):
            removed.database = _gone(lambda: aws.glue.delete_database(Name=found.database))
    if found.remove_workgroup:
        with _refusals(removed.refused, found.workgroup):
            aws.athena.delete_work_group(WorkGroup=found.workgroup, RecursiveDeleteOption=True)
            removed.workgroup = True
    return removed


@contextmanager
def _refusals(refused: dict[str, str], name: str) -> Iterator[None]:
    """What AWS refuses inside is noted under the name: the rest is removed all the same, and the proof tells."""
    try:
        with translate_errors():
            yield
    except StorageError as error:
        refused[name] = str(error)


def _remove_partitions(aws: Aws, database: str, table: str, refused: dict[str, str]) -> int:
    def delete(batch: list[list[str]]) -> tuple[int, list[Any]]:
        entries: Any = [{"Values": values} for values in batch]
        answer = aws.glue.batch_delete_partition(DatabaseName=database, TableName=table, PartitionsToDelete=entries)
        return len(batch), list(answer.get("Errors", []))

    removed, stuck = 0, False
    while not stuck:
        found, before = False, removed
        for count, errors in each(delete, _batches(partition_values(aws, database, table), _PARTITIONS)):
            found = True
            removed += count - _note(errors, lambda error: f"{table} {'/'.join(error['PartitionValues'])}", refused)
        if not found:
            break
        stuck = removed == before
    return removed


def _note(errors: Iterable[Any], name: Callable[[Any], str], refused: dict[str, str]) -> int:
    """Remembers what was refused, and counts it; what was gone already is no refusal."""
    failed = 0
    for error in errors:
        detail = error.get("ErrorDetail", {})
        if detail.get("ErrorCode") != _ABSENT:
            failed += 1
            refused[name(error)] = f"{detail.get('ErrorMessage', '')} ({detail.get('ErrorCode', '')})"
    return failed


def _gone(delete: Callable[[], Any]) -> bool:
    try:
        delete()
    except ClientError as error:
        if error_code(error) != _ABSENT:
            raise
    return True


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    walk = iter(items)
    while batch := list(islice(walk, size)):
        yield batch
