"""What the meter costs: the client's side of 10,000 requests with it and without."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import Case, Growth, Promise, Work, World, limit, ours


def cases(world: World) -> Iterator[Case | Growth]:
    """Requests that are answered at once, so that only the client's work is in the figure."""
    requests = world.pick(small=500, medium=10_000, large=10_000)
    yield Case(
        name="meter",
        title=f"{requests:,} requests, counted as they are sent",
        work=Work(requests, "requests"),
        contenders=(
            limit("without the meter", world.script("benchmarks.inside.requests", "without", requests), inner=True),
            ours("with the meter", world.script("benchmarks.inside.requests", "with", requests), inner=True),
        ),
        promises=(
            Promise(
                "at most a tenth more of the client's own work",
                against="without the meter",
                at_most=1.1,
                why="It takes 0.1 ms a request, which is priced and held against the run's limit before it goes.",
            ),
        ),
        note="The store's time is not in the figure: a real request takes tens of times as long.",
    )
