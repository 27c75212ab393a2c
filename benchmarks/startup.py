"""Cold start: what a command costs before it does anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.harness import Case, Growth, Promise, Work, World, limit, ours, peer


def cases(world: World) -> Iterator[Case | Growth]:
    """The help of the command line."""
    yield Case(
        name="help",
        title="shoreline --help",
        work=Work(1, "answer"),
        contenders=(
            limit("python -c pass", [sys.executable, "-c", "pass"]),
            ours("shoreline --help", world.shoreline("--help")),
            peer("aws --version", ["aws", "--version"], needs=("awscli",)),
            peer("dlt --help", ["dlt", "--help"], needs=("dlt",)),
        ),
        promises=(Promise("answers within 0.4 s", at_most=0.4),),
    )
