"""The directions of the house: who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from jobs.cli import JOBS

PROJECT = Path(__file__).resolve().parents[2]
ADAPTERS = {"boto3", "botocore", "psycopg2", "loguru"}
# Modules that only decide: no AWS, no PostgreSQL, no log, no clock, no environment.
PURE = [
    "services/errors.py",
    "services/human.py",
    "services/backups/entries.py",
    "services/backups/fingerprint.py",
    "services/backups/health.py",
    "services/backups/lifecycle.py",
    "services/backups/manifest.py",
    "services/backups/naming.py",
    "services/backups/parts.py",
    "services/backups/retention.py",
    "services/backups/scanner.py",
    "services/cleanup/items.py",
    "services/cleanup/plan.py",
    "services/cleanup/scope.py",
    "services/cleanup/standing.py",
    "services/costs/bill.py",
    "services/costs/prices.py",
    "services/costs/usage.py",
    "services/lake/convert.py",
    "services/lake/days.py",
    "services/lake/declaration.py",
    "services/lake/manifest.py",
    "services/lake/partitions.py",
    "services/lake/pgtypes.py",
    "services/lake/plan.py",
    "services/lake/population.py",
    "services/lake/record.py",
    "services/lake/shape.py",
    "services/lake/spans.py",
    "services/lake/tables.py",
    "services/lake/types.py",
    "services/queries/catalog.py",
    "services/queries/ddl/parser.py",
    "services/queries/ddl/table.py",
    "services/queries/ddl/words.py",
    "services/queries/offline/arithmetic.py",
    "services/queries/offline/translate.py",
    "services/queries/offline/types.py",
    "services/queries/resolve.py",
    "services/queries/statistics.py",
    "services/queries/text.py",
    *(str(path.relative_to(PROJECT)) for path in (PROJECT / "services" / "costs" / "model").glob("*.py")),
    *(str(path.relative_to(PROJECT)) for path in (PROJECT / "services" / "queries" / "guard").glob("*.py")),
]
PASTED_SQL = {"services/backups/traits.py"}  # modules whose SQL is not all of literals yet
FORBIDDEN_CALLS = {"utcnow", "now", "today", "monotonic", "perf_counter", "getenv"}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def calls(path: Path) -> set[str]:
    called = (node.func for node in nodes(path) if isinstance(node, ast.Call))
    return {function.attr for function in called if isinstance(function, ast.Attribute)}


def sources(*folders: str) -> Iterator[tuple[str, Path]]:
    """Every module below the folders, by its name in the project."""
    for folder in folders:
        found = sorted((PROJECT / folder).rglob("*.py"))
        assert found
        yield from ((str(path.relative_to(PROJECT)), path) for path in found)


def test_services_never_import_jobs() -> None:
    assert [name for name, path in sources("services") if "jobs" in packages(path)] == []


def test_every_boto3_client_is_made_where_the_meter_hooks_itself_in() -> None:
    assert [name for name, path in sources("services", "jobs") if "boto3" in imports(path)] == ["services/aws.py"]


def test_pure_modules_touch_no_adapter_and_no_clock() -> None:
    touched = {name: packages(PROJECT / name) & ADAPTERS | calls(PROJECT / name) & FORBIDDEN_CALLS for name in PURE}
    assert {name: what for name, what in touched.items() if what} == {}


def test_only_the_settings_read_configuration_from_the_environment() -> None:
    reading = {
        name
        for name, path in sources("services")
        if not name.startswith("services/settings/") and re.search(r"os\.environ|getenv", path.read_text("utf-8"))
    }
    children = {"services/connection.py", "services/local/postgres.py", "services/local/localstack.py"}  # their PATH
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
    assert {name: lines for name, lines in pasted.items() if lines and name not in PASTED_SQL} == {}


def test_sql_that_is_pasted_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('sql.SQL("a")\nsql.SQL(text)\nSQL(f"a {b}")\nsql.SQL("a" if b else "")\nsql.SQL("a" + b)\n')
    assert list(_pasted_sql(module)) == [2, 3, 5]


def test_a_module_can_be_read_in_one_sitting() -> None:
    modules = [(name, len(path.read_text("utf-8").splitlines())) for name, path in sources("services", "jobs")]
    assert [each for each in modules if each[1] > 300] == [], "split them: about 250 lines is the measure"
    functions = [
        (f"{name}: {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for name, path in sources("services", "jobs")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
    ]
    assert [each for each in functions if each[1] > 60] == [], "split them: about 40 lines is the measure"


def loaded_by(code: str) -> set[str]:
    printed = subprocess.check_output([sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], text=True)
    return set(printed.split("\n")[-2].split())


HEAVY = {"boto3", "botocore", "pyarrow", "polars", "duckdb", "psycopg2", "sqlglot", "numpy", "rich", "asyncio"}


def test_the_command_line_imports_nothing_heavy_and_no_job() -> None:
    loaded = loaded_by("import jobs.cli")
    assert not loaded & (HEAVY | {"pydantic", "importlib.metadata"})
    assert not loaded & {target.split(":")[0] for target in JOBS.values()}


def test_the_help_of_a_job_imports_no_other_job_and_nothing_heavy() -> None:
    loaded = loaded_by("from jobs.cli import app\napp(['backups', '--help'], standalone_mode=False)")
    assert not loaded & HEAVY
    assert {target.split(":")[0] for target in JOBS.values()} & loaded == {"jobs.backups"}


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("services.settings", HEAVY | {"pydantic_settings"}),
        ("services.local.stack", HEAVY - {"psycopg2"}),
        ("services.backups.archive", {"pyarrow", "polars", "duckdb", "sqlglot", "numpy", "asyncio"}),
        ("services.cleanup", {"pyarrow", "polars", "duckdb", "sqlglot", "numpy", "asyncio"}),
        ("services.lake.export", {"boto3", "pyarrow.compute", "polars", "duckdb", "sqlglot", "asyncio"}),
        ("services.queries.recorded, services.queries.tables", {"duckdb", "polars", "psycopg2", "asyncio"}),
        ("services.lake.upload", {"pyarrow.compute", "polars", "duckdb", "sqlglot", "psycopg2", "asyncio"}),
    ],
)
def test_what_every_run_imports_leaves_out_what_only_some_need(modules: str, unneeded: set[str]) -> None:
    assert not loaded_by(f"import {modules}") & unneeded
