"""The README, and the pages about all jobs, say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from jobs.cli.main import JOBS
from services import errors

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def classes(parent: type[errors.ShorelineError]) -> Iterator[type[errors.ShorelineError]]:
    for child in parent.__subclasses__():
        yield child
        yield from classes(child)


def test_the_menu_fits_a_terminal_of_eighty_columns() -> None:
    menu = subprocess.run(["make", "menu"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "make demo" in menu
    assert max(map(len, menu.splitlines())) <= 80


def test_the_exit_codes_are_those_of_the_errors() -> None:
    table = (PROJECT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    listed = {int(code): text for code, text in re.findall(r"^\| (\d+) \| (.+) \|$", table, re.MULTILINE)}
    declared = {each for each in classes(errors.ShorelineError) if each.__module__ == errors.__name__}
    assert {each.exit_code for each in declared} | {0, 1, 129, 130, 137, 143} == set(listed)
    for each in declared:
        assert each.__doc__
        assert each.__doc__.splitlines()[0] in listed[each.exit_code]


def test_every_job_has_its_row_in_the_readme_and_its_words_on_its_page() -> None:
    table = README.partition("## Jobs")[2].partition("\n## ")[0]
    rows = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    page = (PROJECT / "docs" / "jobs.md").read_text(encoding="utf-8")
    told = {name for title in re.findall(r"^## (.+)$", page, re.MULTILINE) for name in title.split(", ")}
    assert rows == set(JOBS) - {"demo", "up", "down"}
    assert rows <= told


def test_every_link_leads_to_something_that_is_there() -> None:
    for page in [PROJECT / "README.md", PROJECT / "COST_ANALYSIS.md", *(PROJECT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_job_that_a_next_command_may_name_is_a_target_of_make() -> None:
    jobs = re.findall(r'"shoreline ([a-z]+)', "".join(path.read_text() for path in (PROJECT / "jobs").glob("*.py")))
    assert "audit" in jobs
    rules = re.findall(r"^([a-z][a-z -]*):(?!=)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert set(jobs) <= set(" ".join(rules).split())


def test_the_help_of_all_jobs_has_whole_sentences() -> None:
    command = [sys.executable, "-c", "from jobs.cli.main import main; main()", "--help"]
    told = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {job} " in told for job in JOBS)
    assert "..." not in told.partition("Commands:")[2]
