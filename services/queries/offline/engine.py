"""The offline engine: DuckDB over the objects of the lake, with Athena's answers."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import QueryFailed, ShorelineError
from services.formatting import size
from services.queries.ddl import Statement
from services.queries.engine import MAX_RESULT_BYTES, Answer, ResultTooLarge
from services.queries.footers import FileDamaged, Footer
from services.queries.offline.filesystem import PROTOCOL, LakeFileSystem, Served
from services.queries.offline.refusals import NotAnsweredOffline
from services.queries.offline.relations import macros, view
from services.queries.offline.translate import Translated, translate
from services.queries.prediction import LakeFiles, Prediction
from services.queries.resolve import SCAN
from services.queries.time_limit import QUERY_SECONDS, WatchedCall, timed_out

_READERS = 8  # threads at most that wait for the store
_BATCH_ROWS = 100_000
_MEMORY_FRACTION = 0.6  # of what the machine or container has: Python, Arrow and the answer need the rest
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
# Turned off is what makes a window over a partition a join with itself: the copy that it reads forgets the
# conditions on partition keys (DuckDB 2.0.0), and the window counted rows that WHERE leaves out.
_SETTINGS = """
SET TimeZone = 'UTC';
SET parquet_prefetch_column_gap = 0;
SET enable_external_file_cache = false;
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET threads = {threads};
SET memory_limit = '{memory}MiB';
SET allowed_directories = ['lake://'];
SET enable_external_access = false;
SET disabled_optimizers = 'window_self_join';
SET lock_configuration = true;
"""


class DuckDbEngine:
    """Reads only the selected partitions' files, and of those only the column chunks that the answer needs.

    It can read the files of the query that is running, and nothing else of the machine. A query ends at once on a
    signal whose handler raises, and after `timeout_seconds`.
    """

    def __init__(
        self, lake: LakeFiles, *, max_result_bytes: int = MAX_RESULT_BYTES, timeout_seconds: float = QUERY_SECONDS
    ) -> None:
        self.lake = lake
        self._max_result_bytes = max_result_bytes
        self._timeout_seconds = timeout_seconds
        self._abandoned = False
        self._system = LakeFileSystem(lake.files, lake.footers.tails)

    def check(self, prediction: Prediction) -> None:
        """Raises AthenaRefuses or NotAnsweredOffline when the query is not answered here as Athena answers it."""
        WatchedCall(lambda: translate(prediction.query)).result(self._timeout_seconds, timed_out, stop_seconds=0)

    def run(self, prediction: Prediction) -> Answer:
        """The answer, with Athena's names and types.

        Raises QueryFailed with the reason, QueryTimedOut, ResultTooLarge, and what reading the lake raises.
        """
        call = WatchedCall(lambda: self._run(prediction, translate(prediction.query)), self._interrupt)
        try:
            return call.result(self._timeout_seconds, timed_out)
        finally:
            if call.abandoned:
                self._abandoned = True
                atexit.register(_silence_standard_error)

    def _run(self, prediction: Prediction, translated: Translated) -> Answer:
        began = time.perf_counter()
        with self._system.serving(_served(prediction)), self._explained(prediction):
            for statement in [*macros(translated.sql), *_views(prediction)]:
                self._connection.execute(statement)
            rows = self._answer(self._connection, translated)
        return Answer(rows, self._system.scanned, time.perf_counter() - began)

    def create_tables(self, statements: Sequence[Statement]) -> None:
        """Nothing: the lake's folders are the tables. The statements were checked when they were read."""

    def close(self) -> None:
        """Lets go of DuckDB's memory and threads, unless a query that did not end still uses them."""
        if "_connection" in self.__dict__ and not self._abandoned:
            self._connection.close()

    def _interrupt(self) -> None:
        self._system.stopped = True
        if "_connection" in self.__dict__:
            self._connection.interrupt()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.register_filesystem(self._system)
        threads = max(os.cpu_count() or 1, min(_READERS, self.lake.files.at_once))
        connection.execute(_SETTINGS.format(threads=threads, memory=memory_limit() >> 20))
        return connection

    def _answer(self, connection: duckdb.DuckDBPyConnection, translated: Translated) -> pa.Table:
        reader = connection.sql(translated.sql).to_arrow_reader(_BATCH_ROWS)
        batches, total = [], 0
        for batch in reader:
            total += batch.nbytes
            if total > self._max_result_bytes:
                raise ResultTooLarge(f"The answer is larger than {size(self._max_result_bytes)}.")
            batches.append(batch)
        found = pa.Table.from_batches(batches, reader.schema)
        if found.num_columns != len(translated.columns):
            raise NotAnsweredOffline(
                f"The offline engine gave {found.num_columns} columns, and the query names {len(translated.columns)}."
            )
        columns = [
            column if kind.arrow in (None, column.type) else column.cast(kind.arrow)  # the first cast costs 60 ms
            for column, (_, kind) in zip(found.columns, translated.columns, strict=True)
        ]
        return pa.Table.from_arrays(columns, names=[name for name, _ in translated.columns])

    def _damage(self, prediction: Prediction) -> FileDamaged | None:
        """The file that made a query fail, when it was one: DuckDB does not always name it."""
        for number, scan in enumerate(prediction.scans):
            for footer in scan.files:
                columns = [name for name in scan.columns if name in footer.types]
                try:
                    pq.ParquetFile(pa.PythonFile(self._system.open(_path(number, footer)))).read(columns)
                except (pa.ArrowException, OSError, ValueError) as error:
                    where = self.lake.files.url(footer.file.key)
                    return FileDamaged(f"{where} is damaged: {str(error).splitlines()[0]}")
        return None

    @contextmanager
    def _explained(self, prediction: Prediction) -> Iterator[None]:
        """Turns DuckDB's failures into what a person can act on."""
        try:
            yield
        except (duckdb.Error, OSError) as error:  # OSError: a later batch of the answer, read through Arrow
            if self._system.stopped:  # nobody waits for the reason
                raise
            if isinstance(self._system.failure, ShorelineError):
                raise self._system.failure from error
            raise self._damage(prediction) or _failure(error) from error
        except pa.ArrowInvalid as error:
            raise QueryFailed(f"The answer does not fit Athena's types: {error}") from error


def _path(number: int, footer: Footer) -> str:
    """Where DuckDB finds a file of a scan: each scan has its own paths, so that its bytes are counted for itself."""
    return f"{PROTOCOL}://{number}/{footer.file.key}"


def _served(prediction: Prediction) -> dict[str, Served]:
    scans = enumerate(prediction.scans)
    return {
        _path(number, footer): Served(footer.file, max(1, scan.times))
        for number, scan in scans
        for footer in scan.files
    }


def _views(prediction: Prediction) -> Iterator[str]:
    pairs = zip(prediction.scans, prediction.query.selections, strict=True)
    for number, (scan, selection) in enumerate(pairs):
        paths = [_path(number, footer) for footer in scan.files]
        yield view(SCAN.format(number), selection.scan.table, scan.files, paths, scan.columns)


def memory_limit(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """The bytes that DuckDB may use: a fraction of the machine's memory, or of the container's where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min([machine, *_container_limits(cgroups, membership)]) * _MEMORY_FRACTION)


def _container_limits(cgroups: Path, membership: Path) -> list[int]:
    """The limits of the cgroups that this process is in, version 1 and 2; none outside of Linux."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    limits = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):  # a parent's limit holds too
            limits += _limit(folder / name)
            if folder == root:
                break
    return limits


def _limit(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [int(text)] if text.isdecimal() and int(text) > 0 else []


def _silence_standard_error() -> None:
    """Keeps off the terminal what DuckDB's binding prints, when Python ends, of a query that is still running."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


# Through Arrow a failure comes as an OSError with DuckDB's text, which begins with the kind of error.
_OUT_OF_MEMORY = "Out of Memory Error"
_OF_THE_QUERY = ("Invalid Input Error", "Conversion Error", "Out of Range Error")
_UNTRANSLATED = ("Parser Error", "Binder Error", "Catalog Error", "Not implemented Error")


def _failure(error: duckdb.Error | OSError) -> ShorelineError:
    text = str(error).split("\n")[0]
    kind, _, reason = text.partition(": ")
    if kind == _OUT_OF_MEMORY:
        return ResultTooLarge("The query needs more memory than DuckDB may take.")
    if kind in _OF_THE_QUERY:
        return QueryFailed(f"The query failed: {reason}", next_step="Correct the query.")
    if kind in _UNTRANSLATED:
        return NotAnsweredOffline(f"The offline engine cannot run the query: {reason}")
    return QueryFailed(
        f"DuckDB could not answer: {text}", next_step="`shoreline query --explain` shows how the query was understood."
    )
