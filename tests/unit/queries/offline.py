"""Runs SQL on the offline engine over a folder, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.queries.catalog import LakeCatalog
from services.queries.engine import Answer
from services.queries.files import FolderFiles
from services.queries.offline.engine import DuckDbEngine
from services.queries.prediction import LakeFiles, predict
from tests.unit.queries.lake import LAKE


@contextmanager
def offline(folder: Path, catalog: LakeCatalog = LAKE) -> Iterator[DuckDbEngine]:
    """An engine over the lake in a folder."""
    engine = DuckDbEngine(LakeFiles(FolderFiles(folder)))
    try:
        yield engine
    finally:
        engine.close()


def answer(engine: DuckDbEngine, sql: str, catalog: LakeCatalog = LAKE) -> Answer:
    """The answer of a query that the guard lets pass."""
    return engine.run(predict(sql, catalog, engine.lake))
