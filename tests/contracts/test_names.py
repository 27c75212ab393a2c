"""Jobs, options, settings, exit codes and metrics keep their names."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import typer.main

from jobs.cli.main import app
from services.errors import ShorelineError
from services.operations.figures import METRICS
from services.settings import Settings
from tests.contracts.conftest import Matches
from tests.contracts.json_page import PAGE, rendered
from tests.contracts.record import REFRESH, read


def test_jobs_and_options_match_the_record(matches: Matches) -> None:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    jobs = {name: group.get_command(context, name) for name in group.list_commands(context)}
    matches("options", {"shoreline": options(group), **{name: options(job) for name, job in jobs.items()}})


def options(command: Any) -> dict[str, str]:
    """Return the spellings of a command's options and the names of its arguments, with the values that they take."""
    found: dict[str, str] = {}
    for parameter in command.params:
        kind = parameter.type_descriptor.annotation
        values = list(get_args(kind)) if get_origin(kind) is Literal else [kind.__name__]
        if parameter.param_type_name == "argument":
            names = [parameter.metavar or parameter.name]
            values += ["required"] if parameter.required else []
        else:
            names = [*parameter.opts, *parameter.secondary_opts]
        found.update(dict.fromkeys(names, "|".join(sorted(map(str, values)))))
    return found


def test_settings_match_the_record(matches: Matches) -> None:
    matches("settings", {"environment": {name.upper(): "setting" for name in Settings.model_fields}})


def test_exit_codes_match_the_record(matches: Matches) -> None:
    matches("exit-codes", {name: {str(code): "code"} for name, code in _codes(ShorelineError)})


def _codes(parent: type[ShorelineError]) -> list[tuple[str, int]]:
    children = [child for child in parent.__subclasses__() if child.__module__ == ShorelineError.__module__]
    return [(child.__name__, child.exit_code) for child in children] + [
        found for child in children for found in _codes(child)
    ]


def test_metrics_match_the_record(matches: Matches) -> None:
    matches("metrics", {name: dict.fromkeys(("database", *found.labels), "label") for name, found in METRICS.items()})


def test_json_page_lists_the_recorded_keys(recording: bool) -> None:
    if recording:
        PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8"), read("json")), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    assert page == rendered(page, read("json")), f"run `{REFRESH}`"
