"""Reads the environment and .env into `Settings`, and tells all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from services.errors import SettingsError
from services.settings.libpq import service_settings, unsupported
from services.settings.models import DatabaseSettings, Settings
from services.settings.names import misspelt

COMPOSE_FILE_OF_PROFILE = "COMPOSE_PROFILE_FILE"  # written by docker-compose.yml's profile-* services before each job
LOCALSTACK = "http://localstack:4566"  # as the jobs' containers see it


def clashes(environment: Mapping[str, str | None]) -> dict[str, str]:
    """What is wrong with the endpoint for the profile that is on, by variable.

    Compose tells no container which profile is on, so that `--profile aws` with an endpoint for `localstack` in .env
    would write a backup to LocalStack, and the other way round would clean up a real account. Outside Compose there
    is no profile, and nothing to say.
    """
    path = environment.get(COMPOSE_FILE_OF_PROFILE)
    if not path:
        return {}
    try:
        profile = Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return {}
    endpoint = environment.get("AWS_ENDPOINT_URL") or None
    local = urlsplit(endpoint or "").hostname == urlsplit(LOCALSTACK).hostname
    if profile == "aws" and local:
        return {
            "AWS_ENDPOINT_URL": "is LocalStack's, and the profile aws is on: "
            "take it out of .env (or put AWS_ENDPOINT_URL= before the command), or use COMPOSE_PROFILES=localstack"
        }
    if profile == "localstack" and not local:
        where = "AWS itself" if endpoint is None else repr(endpoint)
        return {
            "AWS_ENDPOINT_URL": f"means {where}, and the profile localstack is on: "
            f"set AWS_ENDPOINT_URL={LOCALSTACK}, or use COMPOSE_PROFILES=aws"
        }
    return {}


def region_of_profile(name: str | None) -> str | None:
    """The region of a profile, or of the default one; None where it names none, or is not there.

    A profile that is not there is told when it is asked for credentials: with a key it is not needed.
    """
    # Only a run on AWS without a region comes here: the others are not to wait for the import.
    import botocore.session
    from botocore.exceptions import BotoCoreError

    # not by the environment: an empty variable counts as unset
    unset = (None, None, None, None)
    session = botocore.session.Session({"profile": unset, "region": ("region", None, None, None)}, profile=name)
    try:
        found: str | None = session.get_config_variable("region")
    except BotoCoreError:
        return None
    return found


def read_dotenv(path: Path) -> dict[str, str | None]:
    """The variables that the file gives; none when there is no such file.

    Raises SettingsError for one that cannot be read, and names a line that is none, never what it holds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"'{path}' is no text in UTF-8.", next_step="Save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"'{path}' cannot be read: {(error.strerror or 'error').lower()}.",
            next_step="Let the user that runs the job read it, or move it away and set the environment instead.",
        ) from None
    for line in parse_stream(StringIO(text)):
        if line.error:
            number = line.original.line + (len(line.original.string) - len(line.original.string.lstrip("\r\n")))
            raise SettingsError(
                f"'{path}' has a line that sets nothing, number {number}.",
                next_step="Write NAME=value, in quotes where it holds spaces, '#' or quotes.",
            )
    return dotenv_values(stream=StringIO(text))


_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
}
# What says more about one server than where it is and who connects.
_OF_A_SERVER = DatabaseSettings.model_fields.keys() - {"pgport", "pguser", "pgpassword", "pgdatabase", "pgpassfile"}
_KINDS = {
    "int_parsing": "is not a whole number",
    "decimal_parsing": "is not a number",
    "bool_parsing": "is neither true nor false",
}


def load(
    overrides: Mapping[str, str] | None = None,
    *,
    defaults: Mapping[str, str] | None = None,
    dotenv: Path = Path(".env"),
) -> Settings:
    """The settings of this run.

    `overrides` (by variable name) go before the environment, that before the file `dotenv`, that before
    `defaults`. A secret may be given as NAME_FILE, a file that holds it. Raises SettingsError, which lists
    every problem.
    """
    given = dict(overrides or {})
    written = read_dotenv(dotenv)
    environment = {**written, **os.environ, **given}
    given |= {name: value for name, value in (defaults or {}).items() if not environment.get(name)}
    secrets, problems = _read_secret_files((dict(overrides or {}), os.environ, written))
    own_server = "PGHOST" in given
    if not own_server:
        service, wrong = service_settings(environment)
        given = service | given
        problems |= wrong | unsupported(environment)
    problems |= clashes(environment) | _shared_prefixes(environment)
    problems |= misspelt(variables(), os.environ, written)
    given |= secrets
    if not environment.get("QUERY_ENGINE"):  # a store that is not AWS's has no Athena beside it
        given["QUERY_ENGINE"] = "duckdb" if environment.get("AWS_ENDPOINT_URL") else "athena"
    if not environment.get("AWS_REGION") and not environment.get("AWS_ENDPOINT_URL"):
        given |= _region(environment)
    filled = {name: value for source in (written, os.environ) for name, value in source.items() if value}
    if own_server:  # nothing that the shell says about another one applies to it
        filled = {name: value for name, value in filled.items() if name.lower() not in _OF_A_SERVER}
    try:
        settings = Settings.model_validate({name.lower(): value for name, value in {**filled, **given}.items()})
    except ValidationError as error:
        found = dict(map(_explain, error.errors()))
        nothing = "BUCKET" in found and not dotenv.exists()
        step = "`cp .env.example .env` makes the settings of the offline stack." if nothing else None
        raise SettingsError(_message({**found, **problems}), next_step=step) from None
    if problems:
        raise SettingsError(_message(problems))
    return settings


def _shared_prefixes(environment: Mapping[str, str | None]) -> dict[str, str]:
    """The prefixes that another has already, by variable: cleanup could not tell the one's objects from the other's."""
    found: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in ("BACKUP_PREFIX", "LAKE_PREFIX", "ATHENA_RESULTS_PREFIX"):
        prefix = (environment.get(name) or str(Settings.model_fields[name.lower()].default)).rstrip("/")
        if prefix in found:
            problems[name] = f"{prefix!r} is {found[prefix]} too: give each its own"
        found.setdefault(prefix, name)
    return problems


def _region(environment: Mapping[str, str | None]) -> dict[str, str]:
    """AWS_REGION as AWS's own tools find it: from AWS_DEFAULT_REGION, or from the profile."""
    found = environment.get("AWS_DEFAULT_REGION") or region_of_profile(environment.get("AWS_PROFILE") or None)
    return {"AWS_REGION": found} if found else {}


def log_format() -> Literal["text", "json"]:
    """How the log looks before the settings are known to be good."""
    try:
        return "json" if named("LOG_FORMAT") == "json" else "text"
    except SettingsError:  # of .env, which `load` tells
        return "json" if os.environ.get("LOG_FORMAT") == "json" else "text"


def named(name: str, dotenv: Path = Path(".env")) -> str | None:
    """What the environment, or else the file `dotenv`, says of a variable; None where both are silent.

    Raises SettingsError for a file that cannot be read.
    """
    return {**read_dotenv(dotenv), **os.environ}.get(name)


def variables() -> list[str]:
    """Return the name of every variable that is read: settings, and files that hold secrets."""
    return [name.upper() for name in Settings.model_fields] + [f"{name}_FILE" for name in secret_names()]


def _message(problems: Mapping[str, str]) -> str:
    width = max(map(len, problems))
    lines = [f"  {name:<{width}}  {text}" for name, text in problems.items()]
    return "\n".join(["Settings need attention:", *lines])


def secret_names() -> list[str]:
    """The variables that hold secrets."""
    return [
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def _read_secret_files(sources: Sequence[Mapping[str, str | None]]) -> tuple[dict[str, str], dict[str, str]]:
    """The secrets given as files, and the problems with them, both by variable.

    The first of `sources` that gives a secret, as itself or as a file, has the say.
    """
    secrets: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in secret_names():
        variable = f"{name}_FILE"
        source = next((each for each in sources if each.get(name) or each.get(variable)), {})
        path = source.get(variable)
        if not path:
            continue
        if source.get(name):
            problems[variable] = f"{name} is set too: give one of the two, such as {variable}= before the command"
            continue
        try:
            secrets[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            who = f" for user {os.getuid()} (see SHORELINE_UID)" if isinstance(error, PermissionError) else ""
            problems[variable] = f"'{path}' cannot be read: {(error.strerror or 'error').lower()}{who}"
            continue
        if not secrets[name]:
            problems[variable] = f"'{path}' is empty"
    return secrets, problems


def _explain(error: ErrorDetails) -> tuple[str, str]:
    name = str(error["loc"][0]).upper()
    return name, _words(name, error["type"], error["input"], error)


def _words(name: str, kind: str, value: Any, error: ErrorDetails) -> str:
    if kind == "missing":
        return "is not set"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    shown = "the value" if name in secret_names() else repr(value)
    if kind in _KINDS:
        return f"{shown} {_KINDS[kind]}"
    if kind == "literal_error":
        return f"{shown} is none of {error['ctx']['expected']}"
    if kind in _LIMITS:
        bound, words = _LIMITS[kind]
        return f"{shown} must be {words} {error['ctx'][bound]}"
    return f"{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"
