"""One statement on Athena: started once, watched to its end, cancelled when the run is stopped."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from services.errors import QueryFailed
from services.queries.athena.reasons import NoAthena, failure, no_athena
from services.queries.time_limit import timed_out
from services.s3.client import Aws, error_code, translate_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_PAUSE, LONGEST_PAUSE, GROWTH, JITTER = 0.1, 2.0, 1.5, 0.25
ATTEMPTS = 30
"""How often a call that Athena has no place for is made again: for about a minute."""
CANCEL_LOOKS = 8
PAGE = 1000
_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}
_CROWDED = {"TooManyRequestsException", "ThrottlingException"}

Pause = Callable[[float], None]


class QueryCancelled(QueryFailed):
    """Someone cancelled the query on Athena's side."""

    next_step = "Run it again, if that was not meant."


@dataclass(frozen=True)
class Execution:
    """A statement that succeeded. Bytes and seconds are Athena's own figures."""

    query_id: str
    scanned: int
    seconds: float


class Runner:
    """Runs statements in one workgroup and database."""

    def __init__(self, aws: Aws, workgroup: str, database: str, *, pause: Pause = time.sleep) -> None:
        self._aws = aws
        self._workgroup = workgroup
        self._database = database
        self._pause = pause

    def run(self, sql: str, *, in_database: bool = True, timeout_seconds: float | None = None) -> Execution:
        """Runs one statement to its end.

        Raises QueryFailed with Athena's reason and the next step. Whatever else ends the wait, Ctrl-C, SIGTERM and
        `timeout_seconds` among it, cancels the query first.
        """
        query_id = self._start(sql, in_database)
        try:
            found = self._wait(query_id, timeout_seconds)
        except NoAthena:
            raise
        except BaseException:
            self._cancel(query_id)
            raise
        return _ended(query_id, found)

    def rows(self, execution: Execution) -> Iterator[tuple[list[Mapping[str, Any]], list[list[str | None]]]]:
        """The pages of the answer: each the columns' descriptions and the rows' texts, the header row left out."""
        pages = self._aws.athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution.query_id, PaginationConfig={"PageSize": PAGE}
        )
        with translate_errors():
            for number, page in enumerate(pages):
                answer: Any = page["ResultSet"]
                texts = [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["Rows"]]
                columns = answer["ResultSetMetadata"]["ColumnInfo"]
                header = number == 0 and texts[:1] == [[column["Name"] for column in columns]]
                yield columns, texts[1:] if header else texts

    def _start(self, sql: str, in_database: bool) -> str:
        request: dict[str, Any] = {
            "QueryString": sql,
            "WorkGroup": self._workgroup,
            # The same token for every attempt: an answer that was lost starts no second query.
            "ClientRequestToken": str(uuid.uuid4()),
        }
        if in_database:
            request["QueryExecutionContext"] = {"Database": self._database}
        return str(self._patiently(self._aws.athena.start_query_execution, **request)["QueryExecutionId"])

    def _patiently(self, call: Callable[..., Any], **request: Any) -> Any:
        """Calls until Athena has a place for it: a full queue and a lost connection pass."""
        for left, pause in zip(range(ATTEMPTS - 1, -1, -1), _pauses(), strict=False):
            try:
                return call(**request)
            except (ClientError, HTTPClientError) as error:
                missing = no_athena(error) if isinstance(error, ClientError) else None
                if missing is not None:
                    raise missing from error
                passes = not isinstance(error, ClientError) or error_code(error) in _CROWDED
                if not passes or not left:
                    with translate_errors():
                        raise
            self._pause(pause)
        raise AssertionError

    def _wait(self, query_id: str, timeout_seconds: float | None) -> Any:
        """Looks at the execution until it has ended; gives what Athena says of it. Raises QueryTimedOut."""
        began = time.monotonic()
        for pause in _pauses():
            found = self._look(query_id)
            if found["Status"]["State"] in _ENDED:
                return found
            if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
                raise timed_out(timeout_seconds)
            self._pause(pause)
        raise AssertionError

    def _look(self, query_id: str) -> Any:
        found: Any = self._patiently(self._aws.athena.get_query_execution, QueryExecutionId=query_id)
        return found["QueryExecution"]

    def _cancel(self, query_id: str) -> None:
        """Asks for the query's end and waits shortly for it, so that what it scanned is known and paid for."""
        self._patiently(self._aws.athena.stop_query_execution, QueryExecutionId=query_id)
        for pause in islice(_pauses(), CANCEL_LOOKS):
            if self._look(query_id)["Status"]["State"] in _ENDED:
                return
            self._pause(pause)


def _pauses() -> Iterator[float]:
    """Growing pauses in seconds, each a little off, so that many runs do not ask in step."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
        pause = min(LONGEST_PAUSE, pause * GROWTH)


def _ended(query_id: str, found: Any) -> Execution:
    status, statistics = found["Status"], found.get("Statistics", {})
    state = status["State"]
    reason = status.get("StateChangeReason") or status.get("AthenaError", {}).get("ErrorMessage", "")
    if state == "FAILED" or (state == "CANCELLED" and "limit" in reason):
        raise failure(reason, query_id)
    if state == "CANCELLED":
        raise QueryCancelled(
            f"The query was cancelled on Athena's side: {reason or 'Athena gives no reason'} ({query_id})."
        )
    taken = statistics.get("TotalExecutionTimeInMillis", 0) / 1000
    return Execution(query_id, int(statistics.get("DataScannedInBytes", 0)), taken)
