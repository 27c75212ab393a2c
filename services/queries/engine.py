"""What every engine gives: the answer of a query, and what it scanned for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from services.errors import QueryFailed
from services.queries.ddl import Statement
from services.queries.prediction import Prediction

MAX_RESULT_BYTES = 1_000_000_000


class ResultTooLarge(QueryFailed):
    """The answer is larger than a result may be in memory."""

    next_step = "Ask for less: add a LIMIT, aggregate, or select fewer columns."


@dataclass(frozen=True)
class Answer:
    """The rows of an answer with Athena's column names and types, and what was scanned, in bytes.

    `query_id` is the engine's own name for the run, where it has one.
    """

    rows: pa.Table
    scanned: int
    seconds: float
    query_id: str = ""


class Engine(Protocol):
    """Answers queries whose scans were predicted."""

    def check(self, prediction: Prediction) -> None:
        """Raises QueryRefused or QueryFailed when the engine would not run the query. Scans nothing."""

    def run(self, prediction: Prediction) -> Answer:
        """The answer. Raises QueryFailed with the engine's reason and the next step."""

    def create_tables(self, statements: Sequence[Statement]) -> None:
        """Makes the tables that its queries read, where it needs any."""

    def close(self) -> None:
        """Lets go of what the engine holds."""
