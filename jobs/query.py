"""Ask one query of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.cli.context import Run
from jobs.cli.query_output import OutputFormat, require_writable, scan_metrics, show_plan, show_result
from jobs.cli.runner import Json, run_job

if TYPE_CHECKING:
    from services.queries.results import QueryPlan, QueryResult

EngineName = Literal["duckdb", "athena"]


def command(
    ctx: typer.Context,
    sql: Annotated[
        str, typer.Argument(metavar="QUERY", help="SELECT ..., a .sql file, or the number of one of the five queries.")
    ],
    engine: Annotated[EngineName | None, typer.Option(help="The query engine; default: QUERY_ENGINE.")] = None,
    form: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = "table",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write csv, json or parquet to FILE.")] = None,
    csv_safe: Annotated[
        bool, typer.Option("--csv-safe", help="Put ' before text of a CSV that a spreadsheet would run as a formula.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what would be read and what that costs; run nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run SQL on the lake; a partition filter is required, and the scan is limited."""
    from services.errors import InputError

    def planned(run: Run) -> QueryPlan:
        _require_default_output(form, output, "--explain writes no rows")
        return plan(run, sql, engine)

    def answered(run: Run) -> QueryResult:
        if as_json:
            _require_default_output(form, output, "--json prints the result itself")
        require_writable(form, output)
        if csv_safe and form != "csv":
            raise InputError("--csv-safe changes CSV only.", next_step="Add --format csv, or leave it out.")
        return query(run, sql, engine)

    if explain:
        run_job(ctx, "query", planned, show_plan, as_json=as_json)
    else:
        run_job(
            ctx,
            "query",
            answered,
            lambda result, console: show_result(result, console, form, output, csv_safe=csv_safe),
            as_json=as_json,
            figures=lambda result: scan_metrics([result]),
        )


def _require_default_output(form: OutputFormat, output: Path | None, why: str) -> None:
    from services.errors import InputError

    if form != "table" or output is not None:
        raise InputError(f"--format and --output have no effect here: {why}.", next_step="Leave them out.")


def plan(run: Run, sql: str, engine: EngineName | None = None) -> QueryPlan:
    """Return what the query would read and cost."""
    from services.queries.named import find_query
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account, engine) as queries:
        return queries.explain(find_query(sql))


def query(run: Run, sql: str, engine: EngineName | None = None) -> QueryResult:
    """Return the answer of the query."""
    from services.queries.named import find_query
    from services.queries.service import Queries

    with Queries(run.settings, run.storage, run.account, engine) as queries:
        return queries.execute(find_query(sql))
