"""The engine that answers on AWS."""

from __future__ import annotations

import time
from collections.abc import Sequence

from botocore.exceptions import ClientError

from services.aws import Aws, error_code, translated
from services.errors import LakeError
from services.queries.athena.execution import Pause, Runner
from services.queries.athena.results import table
from services.queries.athena.workgroup import Workgroup
from services.queries.ddl import CreateTable, Statement
from services.queries.engine import MAX_RESULT_BYTES, Answer, Prepared
from services.queries.guard.statement import without_end


class AthenaEngine:
    """Asks Athena, in Shoreline's own workgroup."""

    def __init__(
        self,
        aws: Aws,
        workgroup: Workgroup,
        database: str,
        *,
        pause: Pause = time.sleep,
        max_result_bytes: int = MAX_RESULT_BYTES,
    ) -> None:
        self._aws = aws
        self._workgroup = workgroup
        self._runner = Runner(aws, workgroup.name, database, pause=pause)
        self._max_result_bytes = max_result_bytes

    def setup(self) -> bool:
        """Makes or corrects the workgroup, and proves by a query without a scan that it answers.

        True when the workgroup was made now.
        """
        made = self._workgroup.setup(self._aws)
        self._runner.run("SELECT 1", in_database=False)
        return made

    def make_tables(self, statements: Sequence[Statement]) -> None:
        """Sets the workgroup up and runs the DDL, one statement a call.

        A table of an older definition is dropped first: its files stay, and are the table's again. Raises LakeError
        for one of the same name whose files lie elsewhere, which is not ours to drop.
        """
        self.setup()
        for statement in statements:
            made = statement.table
            if made is not None and self._is_outdated(made):
                self._runner.run(f"DROP TABLE IF EXISTS {made.database}.{made.name}", in_database=False)
            self._runner.run(statement.sql, in_database=False)

    def check(self, prepared: Prepared) -> None:
        """Has Athena validate the query, which scans nothing. Raises QueryFailed with its reason."""
        self._runner.run(f"EXPLAIN (TYPE VALIDATE) {without_end(prepared.sql)}")

    def run(self, prepared: Prepared) -> Answer:
        """The answer. Raises QueryFailed with Athena's reason and the next step."""
        began = time.perf_counter()
        done = self._runner.run(without_end(prepared.sql))
        rows = table(self._runner.rows(done), self._max_result_bytes)
        return Answer(rows, done.scanned, time.perf_counter() - began, done.query_id)

    def close(self) -> None:
        """Nothing is held."""

    def _is_outdated(self, made: CreateTable) -> bool:
        """Whether the catalog has this table with other columns, keys or partition mode."""
        with translated():
            try:
                found = self._aws.glue.get_table(DatabaseName=made.database, Name=made.name)["Table"]
            except ClientError as error:
                if error_code(error) == "EntityNotFoundException":
                    return False
                raise
        stored = found.get("StorageDescriptor", {})
        location = stored.get("Location", "")
        if location.rstrip("/") != made.location.rstrip("/"):
            raise LakeError(
                f"{made.database}.{made.name} is there already, over {location or 'no location'}.",
                next_step="Name another database in ATHENA_DATABASE, or drop that table yourself.",
            )
        columns = [(column["Name"], column.get("Type", "")) for column in stored.get("Columns", [])]
        keys = [(column["Name"], column.get("Type", "")) for column in found.get("PartitionKeys", [])]
        kept = {name: value for name, value in found.get("Parameters", {}).items() if name in made.properties}
        projected = found.get("Parameters", {}).get("projection.enabled", "").lower() == "true"
        return (
            columns != [(column.name, column.kind) for column in made.columns]
            or keys != [(key.name, key.kind) for key in made.keys]
            or projected != made.projected
            or kept != dict(made.properties)
        )
