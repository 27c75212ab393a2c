"""Streams rows from PostgreSQL: `COPY ... TO STDOUT` by psql, parsed into Arrow tables."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv

from services.errors import DatabaseError, LakeError
from services.lake.layout import convert
from services.lake.postgres_types import ExportColumn
from services.lake.source import SESSION
from services.postgres.client import Database
from services.postgres.process import widen

BLOCKS = (4 << 20, 32 << 20, 256 << 20)  # in bytes: a row must fit into two blocks
_OPTIONS = ("-X", "-q", "-v", "ON_ERROR_STOP=1")
_EXIT_SECONDS = 1.0  # that a failed psql may take to end
_COLUMN = re.compile(r"column #(\d+)")


class RowTooWide(LakeError):
    """A row is longer than the largest block that is parsed."""

    next_step = "Leave its largest column out in lake.toml."


def copy(
    database: Database,
    snapshot: str,
    query: str,
    columns: Sequence[ExportColumn],
    cut: Counter[str],
    block: int = BLOCKS[0],
) -> Iterator[pa.Table]:
    """Return the rows of `query`, `block` bytes at a time, in the types that are stored.

    psql reads the connection: it does so in half the time of a Python driver, and beside Python's own work.
    Raises LakeError for a value that its column's type cannot represent, RowTooWide for a row that needs larger blocks,
    DatabaseError when PostgreSQL or psql fail.
    """
    with _psql(database, snapshot, query) as output:
        try:
            # Text may hold line breaks; NULL is nothing, the empty string is "".
            reader = csv.open_csv(
                output,
                csv.ReadOptions(column_names=[column.name for column in columns], block_size=block, use_threads=False),
                csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                csv.ConvertOptions(
                    column_types={column.name: _parsed(column) for column in columns},
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                    true_values=["t"],
                    false_values=["f"],
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise _refused(error, columns) from error
        with reader:
            while (rows := _next(reader, columns)) is not None:
                yield convert(rows, columns, cut)


def _parsed(column: ExportColumn) -> Any:
    return pa.string() if column.converted == "array" else column.parsed


def _next(reader: csv.CSVStreamingReader, columns: Sequence[ExportColumn]) -> pa.Table | None:
    try:
        return pa.Table.from_batches([reader.read_next_batch()])
    except StopIteration:
        return None
    except pa.ArrowInvalid as error:
        raise _refused(error, columns) from error


def _refused(error: pa.ArrowInvalid, columns: Sequence[ExportColumn]) -> LakeError:
    """Describe a refused value by column and reason."""
    if "straddles two block boundaries" in str(error):
        return RowTooWide("A row is longer than 256 MB.")
    found = _COLUMN.search(str(error))
    column = columns[int(found[1])] if found else None
    reason = re.sub(r"^In CSV column #\d+: (Row #\d+: )?(CSV conversion error to [^:]*: )?", "", str(error))
    where, kind = (column.source, str(column.stored)) if column else ("a row", "the declared columns")
    return LakeError(
        f"{where} holds a value that {kind} cannot represent: {reason}",
        next_step="Correct the value, give the column the type 'string' in lake.toml, or leave it out.",
    )


@contextmanager
def _psql(database: Database, snapshot: str, query: str) -> Iterator[IO[bytes]]:
    commands = [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        f"SET TRANSACTION SNAPSHOT '{snapshot}'",
        SESSION,
        f"COPY ({query}) TO STDOUT (FORMAT csv)",
    ]
    connection = replace(database.connection, search_path=None)  # for functions in views: our own names are qualified
    arguments = [argument for command in commands for argument in ("-c", command)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [database.program("psql"), f"--dbname={connection.conninfo()}", *_OPTIONS, *arguments],
            env={**connection.environment(), "PGCLIENTENCODING": "UTF8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        with process.stdout as output:
            widen(output)
            try:
                yield output
            except BaseException as error:
                # A row that ends in the middle is a consequence when psql itself has failed.
                failed = isinstance(error, Exception) and _ended(process)
                process.kill()
                process.wait()
                if failed:
                    raise _failed(errors, process.returncode) from error
                raise
            if process.wait() != 0:
                raise _failed(errors, process.returncode)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(_EXIT_SECONDS) > 0
    except subprocess.TimeoutExpired:
        return False


def _failed(errors: IO[bytes], code: int) -> DatabaseError:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return DatabaseError(f"PostgreSQL could not copy the rows: {lines[0] if lines else f'psql ended with {code}'}")
