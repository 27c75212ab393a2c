"""Rules of the code that import-linter and ruff cannot express; theirs are in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from jobs.cli.main import JOBS

PROJECT = Path(__file__).resolve().parents[2]
CLOCK = {"utcnow", "now", "today"}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def calls(path: Path) -> set[str]:
    called = (node.func for node in nodes(path) if isinstance(node, ast.Call))
    return {function.attr for function in called if isinstance(function, ast.Attribute)}


def sources(*folders: str) -> Iterator[tuple[str, Path]]:
    """Every module below the folders, by its name in the project."""
    for folder in folders:
        found = sorted((PROJECT / folder).rglob("*.py"))
        assert found
        yield from ((str(path.relative_to(PROJECT)), path) for path in found)


def test_services_take_the_time_as_an_argument() -> None:
    reading = {name for name, path in sources("services") if calls(path) & CLOCK}
    assert reading <= {"services/backups/repository.py", "services/operations/scheduler.py"}


def test_only_the_settings_read_configuration_from_the_environment() -> None:
    reading = {
        name
        for name, path in sources("services")
        if not name.startswith("services/settings/") and re.search(r"os\.environ|getenv", path.read_text("utf-8"))
    }
    children = {
        "services/postgres/connection.py",
        "services/local/postgres.py",
        "services/local/localstack.py",
    }  # their PATH
    assert reading <= children


def _is_literal(call: ast.Call) -> bool:
    """Whether all that a call is given stands in the source: a text, or one of two."""
    parts: list[ast.expr] = []
    for given in call.args:
        parts += [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
    return not call.keywords and all(isinstance(part, ast.Constant) for part in parts)


def _pasted_sql(path: Path) -> Iterator[int]:
    """The lines that make SQL of something else than a literal, which nothing quotes."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "SQL" and not _is_literal(node):
                yield node.lineno


def test_sql_is_made_of_literals_only() -> None:
    """Everything else goes through sql.Identifier, sql.Literal or a parameter."""
    pasted = {name: list(_pasted_sql(path)) for name, path in sources("services", "jobs", "benchmarks")}
    assert {name: lines for name, lines in pasted.items() if lines} == {}


def test_sql_that_is_pasted_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('sql.SQL("a")\nsql.SQL(text)\nSQL(f"a {b}")\nsql.SQL("a" if b else "")\nsql.SQL("a" + b)\n')
    assert list(_pasted_sql(module)) == [2, 3, 5]


def loaded_by(code: str) -> set[str]:
    printed = subprocess.check_output([sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], text=True)
    return set(printed.split("\n")[-2].split())


HEAVY = {"boto3", "botocore", "pyarrow", "polars", "duckdb", "psycopg2", "sqlglot", "numpy", "rich", "asyncio"}


def test_the_command_line_imports_nothing_heavy_and_no_job() -> None:
    loaded = loaded_by("import jobs.cli.main")
    assert not loaded & (HEAVY | {"pydantic", "importlib.metadata"})
    assert not loaded & {target.split(":")[0] for target in JOBS.values()}


def test_the_help_of_a_job_imports_no_other_job_and_nothing_heavy() -> None:
    loaded = loaded_by("from jobs.cli.main import app\napp(['backups', '--help'], standalone_mode=False)")
    assert not loaded & HEAVY
    assert {target.split(":")[0] for target in JOBS.values()} & loaded == {"jobs.backups"}


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("services.settings", HEAVY | {"pydantic_settings"}),
        ("services.local.stack", HEAVY - {"psycopg2"}),
        ("services.backups.repository", {"pyarrow", "polars", "duckdb", "sqlglot", "numpy", "asyncio"}),
        ("services.cleanup", {"pyarrow", "polars", "duckdb", "sqlglot", "numpy", "asyncio"}),
        ("services.lake.export", {"boto3", "pyarrow.compute", "polars", "duckdb", "sqlglot", "asyncio"}),
        (
            "services.queries.manifest_tables, services.queries.manifest_tables",
            {"duckdb", "polars", "psycopg2", "asyncio"},
        ),
        ("services.lake.upload", {"pyarrow.compute", "polars", "duckdb", "sqlglot", "psycopg2", "asyncio"}),
    ],
)
def test_what_every_run_imports_leaves_out_what_only_some_need(modules: str, unneeded: set[str]) -> None:
    assert not loaded_by(f"import {modules}") & unneeded
