"""The five queries over a year of a lake, against engines that read the same files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from benchmarks.harness import Case, Finished, Growth, Promise, Work, World, ours, peer
from benchmarks.harness.child import CommandFailed
from services.queries.named import QUERIES, NamedQuery, named_queries

_DAYS = (date(2025, 1, 1), date(2025, 12, 31))


def cases(world: World) -> Iterator[Case | Growth]:
    """Each of the named queries."""
    rows_per_day = world.pick(small=500, medium=137_000, large=1_370_000)
    folder = world.sample_lake(rows_per_day, *_DAYS)
    for query in named_queries():
        yield _query(world, folder, query, 2 * 365 * rows_per_day)


def _query(world: World, folder: Path, query: NamedQuery, rows: int) -> Case:
    file = QUERIES / f"{query.name}.sql"
    seen: set[float] = set()

    def same(finished: Finished) -> None:
        seen.add(finished.figures["rows"])
        if len(seen) > 1:
            raise CommandFailed(f"{query.name}: the contenders' answers have {seen} rows")

    return Case(
        name=query.name,
        title=query.answers,
        work=Work(rows, "rows in the lake"),
        contenders=(
            ours("shoreline", world.script("benchmarks.inside.query", folder, query.name), check=same, inner=True),
            *(
                peer(
                    name,
                    world.peer_script("readers", f"query_{script}", folder, file),
                    needs=("readers",),
                    check=same,
                    inner=True,
                )
                for name, script in (("DuckDB", "duckdb"), ("polars", "polars"), ("pandas", "pandas"))
            ),
        ),
        promises=(
            Promise("at most 1.2 times DuckDB's own read_parquet", against="DuckDB", at_most=1.2),
            Promise("ahead of polars' lazy scan", against="polars", at_least=1),
            Promise("at most 1.05 times the column chunks that the answer needs", of="times_needed", at_most=1.05),
            Promise(
                "guard and prediction within 50 ms, the listing warm", of="guard_and_prediction_seconds", at_most=0.05
            ),
        ),
        note="Each engine runs in a new process; the time is from the query's text to its answer, without imports.",
    )
