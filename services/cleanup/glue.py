"""Athena: the inventory and removal of the database's tables with their partitions, and of the workgroup."""

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
MARK = (TAG["Key"], TAG["Value"])  # in the properties of Shoreline's database
_VIEW = "VIRTUAL_VIEW"
_PRIMARY = "primary"  # the workgroup that every account has and that AWS does not delete
_DEFAULT = "default"  # the database that Athena itself needs
_PARTITIONS, _TABLES = 25, 100  # that one batch call takes
_ABSENT = "EntityNotFoundException"


@dataclass(frozen=True)
class LakeTable:
    """A table whose data are below Shoreline's prefixes."""

    name: str
    partitions: int  # in the catalog


@dataclass(frozen=True)
class CatalogInventory:
    """The tables, database and workgroup that exist in Athena."""

    database: str
    workgroup: str
    tables: tuple[LakeTable, ...] = ()
    others: tuple[str, ...] = ()  # tables and views of others, for which the database is kept
    database_exists: bool = False
    database_is_ours: bool = False
    workgroup_exists: bool = False
    workgroup_is_ours: bool = False
    saved: int = 0  # queries and statements that people saved in the workgroup, for which it is kept

    @property
    def remove_database(self) -> bool:
        """Whether the database is to be removed."""
        return self.database_exists and self.database_is_ours and not self.others

    @property
    def remove_workgroup(self) -> bool:
        """Whether the workgroup is to be removed."""
        return self.workgroup_exists and self.workgroup_is_ours and not self.saved


def look_at_catalog(
    aws: Aws, database: str, workgroup: str, locations: Iterable[str], views: Collection[str] = ()
) -> CatalogInventory:
    """Take the inventory of the database and the workgroup. A failed call raises: an inventory is never partial.

    A table is Shoreline's if its data are below one of `locations`; a view, if it is one of `views`. The database is
    Shoreline's if its properties say so, or if everything in it is; the workgroup, if it has the tag.
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
    """Yield the values of each partition of a table; none for a table that does not exist."""
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
    """Look the workgroup up in the list: GetWorkGroup's error for a missing one has other causes too."""
    pages = _pages(aws.athena.list_work_groups)
    return any(found.get("Name") == workgroup for page in pages for found in page["WorkGroups"])


def _saved(aws: Aws, workgroup: str) -> int:
    """Count the queries and prepared statements that people saved in the workgroup, which deletes them."""
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
    """What was removed, and what AWS refused to remove."""

    tables: int = 0
    partitions: int = 0
    database: bool = False
    workgroup: bool = False
    removed_tables: dict[str, int] = field(default_factory=dict)  # partitions that were removed, by deleted table
    refused: dict[str, str] = field(default_factory=dict)  # AWS's messages, by name


def remove_from_catalog(aws: Aws, found: CatalogInventory) -> RemovedFromCatalog:
    """Remove what is Shoreline's by the inventory: partitions before their table, tables before the database.

    Glue removes the partitions of a deleted table asynchronously, so they are deleted first, by name.
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
    """Record a refusal under the name. The rest is still removed, and the verification reports what is left."""
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
    """Record and count refusals. What did not exist any more is not a refusal."""
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
