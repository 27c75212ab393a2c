"""The directions of the house: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
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
FORBIDDEN_CALLS = {"utcnow", "now", "today", "monotonic", "perf_counter", "getenv"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def sources(folder: str) -> list[Path]:
    found = sorted((PROJECT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("path", sources("services"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_services_never_import_jobs(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "jobs"}


@pytest.mark.parametrize("path", sources("services") + sources("jobs"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_boto3_client_is_made_where_the_meter_hooks_itself_in(path: Path) -> None:
    if path != PROJECT / "services" / "aws.py":
        assert "boto3" not in imports(path)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_no_adapter_and_no_clock(name: str) -> None:
    path = PROJECT / name
    assert not {module for module in imports(path) if module.split(".")[0] in ADAPTERS}
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & FORBIDDEN_CALLS


@pytest.mark.parametrize("path", sources("services"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_the_settings_read_configuration_from_the_environment(path: Path) -> None:
    if path.is_relative_to(PROJECT / "services" / "settings"):
        return
    allowed = {
        "services/database.py",
        "services/local/postgres.py",
        "services/local/localstack.py",
    }  # PATH, for children
    if str(path.relative_to(PROJECT)) not in allowed:
        text = path.read_text(encoding="utf-8")
        assert "os.environ" not in text
        assert "getenv" not in text


@pytest.mark.parametrize("path", sources("services") + sources("jobs"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300, "split it: about 250 lines is the measure"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 60, f"{node.name} has {lines} lines: about 40 is the measure"


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
