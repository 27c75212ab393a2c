"""Reads the environment and .env into `Settings`, and reports all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Literal, get_args
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
LOCALSTACK = "http://localstack:4566"  # the address in the containers of the jobs


def clashes(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return the conflict between the endpoint and the active Compose profile, by variable.

    Compose does not pass the active profile to a container. With the endpoint of the other profile in .env, a backup
    would go to LocalStack, or a cleanup to a real account. Outside Compose nothing is checked.
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
            "AWS_ENDPOINT_URL": "is LocalStack's, but the profile aws is on: "
            "remove it from .env (or put AWS_ENDPOINT_URL= before the command), or set COMPOSE_PROFILES=localstack"
        }
    if profile == "localstack" and not local:
        state = "is not set" if endpoint is None else f"is {endpoint!r}"
        return {
            "AWS_ENDPOINT_URL": f"{state}, but the profile localstack is on: "
            f"set AWS_ENDPOINT_URL={LOCALSTACK}, or COMPOSE_PROFILES=aws"
        }
    return {}


def region_of_profile(name: str | None) -> str | None:
    """Return the region of a profile, or of the default profile; None if it has none or is missing.

    A missing profile is reported when its credentials are needed.
    """
    # Lazy: only a run on AWS without AWS_REGION pays for the import.
    import botocore.session
    from botocore.exceptions import BotoCoreError

    # The environment is not read here: an empty variable counts as unset.
    unset = (None, None, None, None)
    session = botocore.session.Session({"profile": unset, "region": ("region", None, None, None)}, profile=name)
    try:
        region: str | None = session.get_config_variable("region")
    except BotoCoreError:
        return None
    return region


def read_dotenv(path: Path) -> dict[str, str | None]:
    """Return the variables in a .env file; none if it is missing.

    Raises SettingsError for a file that cannot be read, and for an invalid line, by its number and never its content.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"'{path}' is not UTF-8 text.", next_step="Save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"'{path}' cannot be read: {(error.strerror or 'error').lower()}.",
            next_step="Give the job's user read access, or remove the file and set the environment instead.",
        ) from None
    for line in parse_stream(StringIO(text)):
        if line.error:
            number = line.original.line + (len(line.original.string) - len(line.original.string.lstrip("\r\n")))
            raise SettingsError(
                f"Invalid line {number} in '{path}'.",
                next_step="Write NAME=value; quote a value that contains spaces, '#' or quotes.",
            )
    return dotenv_values(stream=StringIO(text))


_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
}
# Settings that apply to one server only, beyond its port, user and database.
_OF_A_SERVER = DatabaseSettings.model_fields.keys() - {"pgport", "pguser", "pgpassword", "pgdatabase", "pgpassfile"}
_EXPECTED = {"int_parsing": "a whole number", "decimal_parsing": "a number", "bool_parsing": "true or false"}


def load(
    overrides: Mapping[str, str] | None = None,
    *,
    defaults: Mapping[str, str] | None = None,
    dotenv: Path = Path(".env"),
) -> Settings:
    """Return the settings of this run. Raises SettingsError, which lists every problem.

    `overrides` (by variable name) take precedence over the environment, then the file `dotenv`, then `defaults`.
    NAME_FILE may name a file that contains the secret NAME.
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
    if not environment.get("QUERY_ENGINE"):  # only AWS has Athena
        given["QUERY_ENGINE"] = "duckdb" if environment.get("AWS_ENDPOINT_URL") else "athena"
    if not environment.get("AWS_REGION") and not environment.get("AWS_ENDPOINT_URL"):
        given |= _region(environment)
    filled = {name: value for source in (written, os.environ) for name, value in source.items() if value}
    if own_server:  # the shell's settings are for another server
        filled = {name: value for name, value in filled.items() if name.lower() not in _OF_A_SERVER}
    try:
        settings = Settings.model_validate({name.lower(): value for name, value in {**filled, **given}.items()})
    except ValidationError as error:
        invalid = dict(map(_explain, error.errors()))
        nothing = "BUCKET" in invalid and not dotenv.exists()
        step = "Run `cp .env.example .env` for the settings of the offline stack." if nothing else None
        raise SettingsError(_message({**invalid, **problems}), next_step=step) from None
    if problems:
        raise SettingsError(_message(problems))
    return settings


def _shared_prefixes(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return the prefixes used twice, by variable: cleanup could not tell their objects apart."""
    seen: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in ("BACKUP_PREFIX", "LAKE_PREFIX", "ATHENA_RESULTS_PREFIX"):
        prefix = (environment.get(name) or str(Settings.model_fields[name.lower()].default)).rstrip("/")
        if prefix in seen:
            problems[name] = f"{prefix!r} is also {seen[prefix]}: choose another"
        seen.setdefault(prefix, name)
    return problems


def _region(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return AWS_REGION as AWS's tools find it: from AWS_DEFAULT_REGION, or from the profile."""
    region = environment.get("AWS_DEFAULT_REGION") or region_of_profile(environment.get("AWS_PROFILE") or None)
    return {"AWS_REGION": region} if region else {}


def log_format() -> Literal["text", "json"]:
    """Return LOG_FORMAT before the settings are validated."""
    try:
        return "json" if named("LOG_FORMAT") == "json" else "text"
    except SettingsError:  # `load` reports it
        return "json" if os.environ.get("LOG_FORMAT") == "json" else "text"


def named(name: str, dotenv: Path = Path(".env")) -> str | None:
    """Return a variable of the environment, or else of the file `dotenv`; None if neither sets it.

    Raises SettingsError for a file that cannot be read.
    """
    return {**read_dotenv(dotenv), **os.environ}.get(name)


def variables() -> list[str]:
    """Return the name of every variable that is read: settings, and files with secrets."""
    return [name.upper() for name in Settings.model_fields] + [f"{name}_FILE" for name in secret_names()]


def _message(problems: Mapping[str, str]) -> str:
    width = max(map(len, problems))
    lines = [f"  {name:<{width}}  {text}" for name, text in problems.items()]
    return "\n".join(["Invalid settings:", *lines])


def secret_names() -> list[str]:
    """Return the variables that contain secrets."""
    return [
        name.upper()
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def _read_secret_files(sources: Sequence[Mapping[str, str | None]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the secrets read from files, and the problems with them, both by variable.

    The first of `sources` that sets a secret, directly or as a file, decides.
    """
    secrets: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name in secret_names():
        variable = f"{name}_FILE"
        source = next((values for values in sources if values.get(name) or values.get(variable)), {})
        path = source.get(variable)
        if not path:
            continue
        if source.get(name):
            problems[variable] = f"{name} is also set: set only one, such as by {variable}= before the command"
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
    """Return the variable of a validation error, and the problem with it."""
    name, kind = str(error["loc"][0]).upper(), error["type"]
    if kind == "missing":
        return name, "is not set"
    if kind == "value_error":
        return name, str(error["ctx"]["error"])
    if kind in _EXPECTED:
        expected = f"expected {_EXPECTED[kind]}"
    elif kind == "literal_error":
        expected = f"expected {error['ctx']['expected']}"
    elif kind in _LIMITS:
        bound, words = _LIMITS[kind]
        expected = f"expected {words} {error['ctx'][bound]}"
    else:
        expected = error["msg"][0].lower() + error["msg"][1:]
    shown = "" if name in secret_names() else f" {error['input']!r}"
    return name, f"invalid value{shown}: {expected}"
