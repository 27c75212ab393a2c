"""The engine that answers on AWS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from services.errors import LakeError
from services.queries.athena.execution import Pause, Runner
from services.queries.athena.results import table
from services.queries.athena.workgroup import Workgroup
from services.queries.ddl import CreateTable, Statement
from services.queries.engine import MAX_RESULT_BYTES, Answer
from services.queries.guard.statement import without_end
from services.queries.prediction import Prediction
from services.queries.time_limit import QUERY_SECONDS
from services.s3.client import Aws, error_code, translate_errors


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
        timeout_seconds: float = QUERY_SECONDS,
    ) -> None:
        self._aws = aws
        self._workgroup = workgroup
        self._database = database
        self._years: dict[str, tuple[int, int]] = {}
        self._runner = Runner(aws, workgroup.name, database, pause=pause)
        self._max_result_bytes = max_result_bytes
        self._timeout_seconds = timeout_seconds

    def setup(self) -> bool:
        """Makes or corrects the workgroup, and proves by a query without a scan that it answers.

        True when the workgroup was made now.
        """
        made = self._workgroup.setup(self._aws)
        self._runner.run("SELECT 1", in_database=False)
        return made

    def create_tables(self, statements: Sequence[Statement]) -> None:
        """Sets the workgroup up and runs the DDL, one statement a call.

        A table of an older definition is dropped first: its files stay, and are the table's again. Raises LakeError
        for one of the same name whose files lie elsewhere, which is not ours to drop.
        """
        self.setup()
        self._years.clear()
        for statement in statements:
            made = statement.table
            if made is not None and self._is_outdated(made):
                self._runner.run(f"DROP TABLE IF EXISTS {made.address}", in_database=False)
            self._runner.run(statement.sql, in_database=False)

    def check(self, prediction: Prediction) -> None:
        """Has Athena validate the query, which scans nothing. Raises QueryFailed with its reason."""
        self._require_declared(prediction)
        self._runner.run(f"EXPLAIN (TYPE VALIDATE) {without_end(prediction.query.sql)}")

    def run(self, prediction: Prediction) -> Answer:
        """The answer. Raises QueryFailed with Athena's reason and the next step, QueryTimedOut.

        Raises LakeError where Athena would leave out rows, as its table is declared for other years.
        """
        self._require_declared(prediction)
        began = time.perf_counter()
        done = self._runner.run(without_end(prediction.query.sql), timeout_seconds=self._timeout_seconds)
        rows = table(self._runner.rows(done), self._max_result_bytes)
        return Answer(rows, done.scanned, time.perf_counter() - began, done.query_id)

    def close(self) -> None:
        """Nothing is held."""

    def _require_declared(self, prediction: Prediction) -> None:
        """Raises LakeError when a scan's files lie in years that the table's projection does not name.

        Athena passes over those in silence, as after an upload of days that are older than all before.
        """
        years: dict[str, set[int]] = {}
        for scan in prediction.scans:
            years.setdefault(scan.table, set()).update(footer.file.values[0] for footer in scan.files)
        for name, read in years.items():
            first, last = self._declared_years(name) if read else (0, 0)
            if read and last and not first <= min(read) <= max(read) <= last:
                raise LakeError(
                    f"Athena's table {name} is declared for the years {first} to {last}, and would leave out others "
                    f"that the query asks for: the lake has {min(read)} to {max(read)}.",
                    next_step="Declare the table again: `shoreline athena`",
                )

    def _declared_years(self, name: str) -> tuple[int, int]:
        """The first and last year of a table's projection; zeros where it has none. Asked once."""
        if name not in self._years:
            found = (self._stored_table(self._database, name) or {}).get("Parameters", {})
            first, _, last = found.get("projection.year.range", "").partition(",")
            whole = first.strip().isdecimal() and last.strip().isdecimal()
            self._years[name] = (int(first), int(last)) if whole else (0, 0)
        return self._years[name]

    def _stored_table(self, database: str, name: str) -> Any:
        """A table as the catalog has it; None for none."""
        with translate_errors():
            try:
                return self._aws.glue.get_table(DatabaseName=database, Name=name)["Table"]
            except ClientError as error:
                if error_code(error) == "EntityNotFoundException":
                    return None
                raise

    def _is_outdated(self, made: CreateTable) -> bool:
        """Whether the catalog has this table with other columns, keys or partition mode."""
        found = self._stored_table(made.database, made.name)
        if found is None:
            return False
        stored = found.get("StorageDescriptor", {})
        location = stored.get("Location", "")
        if location.rstrip("/") != made.location.rstrip("/"):
            raise LakeError(
                f"{made.database}.{made.name} already exists, over {location or 'no location'}.",
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
