"""What several integration tests need besides the stack."""

from __future__ import annotations

import pytest

from services.storage import Storage
from tests.faults.conftest import Archives


@pytest.fixture
def archives(storage: Storage) -> Archives:
    """Archives over the test's bucket."""
    return Archives(storage)
