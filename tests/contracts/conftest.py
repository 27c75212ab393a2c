"""The option that records contracts anew, and the comparison with what is recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contracts import record

_ADVICE = f"""
New entries and types: run `{record.REFRESH}` and commit the difference.
Removed entries break programs and stored objects that users have: keep them, or edit the record and the changelog."""
Matches = Callable[[str, record.Record], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-contracts", action="store_true", help="Record what is new in the contracts.")


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> bool:
    """Whether this run records what is new."""
    return bool(request.config.getoption("--record-contracts", default=False))


@pytest.fixture
def matches(recording: bool) -> Matches:
    """Fails when a contract differs from its record; a recording run adds what is new first."""

    def check(name: str, present: record.Record) -> None:
        if recording:
            record.write(name, record.merged(record.read(name), present))
        found = record.problems(record.read(name), present)
        assert not found, "\n  ".join([f"tests/contracts/recorded/{name}.json differs:", *found, _ADVICE])

    return check
