"""Cleanup of Athena's tables, database and workgroup, over the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.s3.objects import Storage
from tests.conftest import Outcome, Shoreline
from tests.fakes.catalog import FakeCatalog, Table
from tests.faults.proxy import FaultProxy

REFUSED, INCOMPLETE = 10, 21
OURS = {"project": "shoreline"}
Cleanup = Callable[..., Outcome]


@pytest.fixture
def catalog(storage: Storage) -> FakeCatalog:
    """The catalog as the athena job leaves it, with 60 partitions in one table."""
    days = [["2025", "1", str(day)] for day in range(60)]
    orders = Table(f"s3://{storage.bucket}/datalake/orders/", days)
    events = Table(f"s3://{storage.bucket}/datalake/events", days[:3])
    return FakeCatalog(
        {"default": {}, "saas_datalake": {"orders": orders, "events": events}},
        properties={"saas_datalake": OURS},
        workgroups={"primary": {}, "shoreline": OURS},
    )


@pytest.fixture
def cleanup(shoreline: Shoreline, stack: dict[str, str], catalog: FakeCatalog) -> Cleanup:
    """Runs cleanup against the catalog, with S3 and STS by LocalStack."""

    def run(*arguments: str) -> Outcome:
        with FaultProxy(stack["AWS_ENDPOINT_URL"], catalog) as proxy:
            env = {"AWS_ENDPOINT_URL": proxy.url, "QUERY_ENGINE": "athena"}
            return shoreline("cleanup", "--json", *(arguments or ("--yes",)), env=env)

    return run


def verdicts(outcome: Outcome) -> dict[str, str]:
    """What the proof found, by resource."""
    return {check["resource"]: check["verdict"] for check in outcome.json["result"]["checks"]}


def test_cleanup_removes_tables_partitions_database_and_workgroup(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    outcome = cleanup()
    assert outcome.exit_code == 0, outcome.errors
    assert catalog.databases == {"default": {}}
    assert list(catalog.workgroups) == ["primary"]
    assert outcome.json["result"]["catalog"]["partitions"] == 63
    assert set(verdicts(outcome).values()) == {"gone"}


def test_dry_run_lists_the_catalog_and_changes_nothing(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    outcome = cleanup("--dry-run")
    told = {item["resource"]: item["detail"] for item in outcome.json["result"]["plan"]["items"]}
    assert told["table saas_datalake.orders"] == "60 partitions"
    assert not [operation for operation in catalog.asked if "Delete" in operation]


def test_tables_of_others_stay_and_the_database_with_them(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.databases["saas_datalake"]["theirs"] = Table("s3://another-bucket/datalake/orders/")
    catalog.databases["saas_datalake"]["a_view"] = Table()
    outcome = cleanup()
    assert outcome.exit_code == 0, outcome.errors
    assert set(catalog.databases["saas_datalake"]) == {"theirs", "a_view"}
    assert verdicts(outcome)["Athena database saas_datalake"] == "kept"


def test_cleanup_keeps_unmarked_database_and_workgroup(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.databases["saas_datalake"] = {}
    catalog.properties, catalog.workgroups["shoreline"] = {}, {"team": "data"}
    outcome = cleanup()
    assert outcome.exit_code == 0, outcome.errors
    assert "saas_datalake" in catalog.databases
    assert "shoreline" in catalog.workgroups


def test_cleanup_keeps_a_workgroup_with_saved_queries(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.saved = [f"query-{number}" for number in range(40)]
    outcome = cleanup()
    assert outcome.exit_code == 0, outcome.errors
    assert "shoreline" in catalog.workgroups
    assert verdicts(outcome)["Athena workgroup shoreline"] == "kept"
    reasons = {item["resource"]: item["reason"] for item in outcome.json["result"]["plan"]["items"]}
    assert reasons["Athena workgroup shoreline"] == "holds 40 saved queries and statements of other users"


def test_cleanup_killed_after_the_tables_is_resumed(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.databases["saas_datalake"] = {}
    assert cleanup().exit_code == 0
    assert "saas_datalake" not in catalog.databases


def test_cleanup_waits_for_asynchronous_removal_by_glue(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.lingering = 3
    outcome = cleanup()
    assert outcome.exit_code == 0, outcome.errors


def test_cleanup_names_a_table_that_glue_keeps(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.stubborn = {"events"}
    outcome = cleanup()
    assert outcome.exit_code == INCOMPLETE
    assert outcome.json["result"]["catalog"]["refused"] == {"events": "it will not go (InternalServiceException)"}
    assert verdicts(outcome)["table saas_datalake.events"] == "LEFT"


@pytest.mark.parametrize(
    ("denied", "left"),
    [
        ("BatchDeletePartition", "table saas_datalake.orders"),
        ("BatchDeleteTable", "table saas_datalake.orders"),
        ("DeleteDatabase", "Athena database saas_datalake"),
        ("DeleteWorkGroup", "Athena workgroup shoreline"),
    ],
)
def test_denied_removal_is_reported_and_the_rest_removed(
    denied: str, left: str, cleanup: Cleanup, catalog: FakeCatalog, storage: Storage
) -> None:
    catalog.denied = {denied}
    storage.put("datalake/orders/data.parquet", b"rows")
    outcome = cleanup()
    assert outcome.exit_code == INCOMPLETE, outcome.errors
    assert verdicts(outcome)[left] == "LEFT"
    assert f"not authorized to perform {denied}" in str(outcome.json["result"]["catalog"]["refused"])
    assert not storage.exists()


def test_cleanup_stops_when_the_catalog_cannot_be_listed(
    cleanup: Cleanup, catalog: FakeCatalog, storage: Storage
) -> None:
    catalog.denied = {"GetTables"}
    assert cleanup().exit_code == REFUSED
    assert storage.exists()
    assert not [operation for operation in catalog.asked if "Delete" in operation]


def test_denied_check_is_unknown_and_fails_cleanup(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.denied = {"GetWorkGroup"}
    outcome = cleanup()
    assert outcome.exit_code == INCOMPLETE
    assert verdicts(outcome)["Athena workgroup shoreline"] == "UNKNOWN"


def test_cleanup_contradicts_a_catalog_that_stops_listing_partitions(cleanup: Cleanup, catalog: FakeCatalog) -> None:
    catalog.forgetful = {"orders"}
    outcome = cleanup()
    assert outcome.exit_code == INCOMPLETE, outcome.errors
    assert verdicts(outcome)["table saas_datalake.orders"] == "CONTRADICTED"
    assert verdicts(outcome)["table saas_datalake.events"] == "gone"
