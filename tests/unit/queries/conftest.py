"""A small generated lake in a folder, made once a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.lake.generate import DEFAULT_DAYS, generate
from services.lake.population import Population
from services.queries.files import FolderFiles
from services.queries.prediction import LakeFiles


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake of six days; it is never changed."""
    folder = tmp_path_factory.mktemp("lake")
    generate(folder, Population(users=200, rows_per_day=500, seed=7), ("orders", "events"), DEFAULT_DAYS, workers=1)
    return folder


@pytest.fixture
def lake(sample: Path) -> LakeFiles:
    """That lake, its footers not yet read."""
    return LakeFiles(FolderFiles(sample))
