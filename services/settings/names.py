"""Finds misspelt variables: a setting that nothing reads has no effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

# Variables in .env that only docker-compose.yml reads.
_OF_COMPOSE = {
    *("SHORELINE_DATA", "SHORELINE_UID", "SHORELINE_GID", "SHORELINE_IMAGE", "SHORELINE_REVISION", "SCHEDULE_MEMORY"),
    *("AWS_CONFIG_DIR", "METRICS_DIR", "POSTGRES_PORT", "POSTGRES_CPUS", "POSTGRES_MEMORY", "JOB_CPUS", "JOB_MEMORY"),
    *("LOCALSTACK_PORT", "LOCALSTACK_CPUS", "LOCALSTACK_MEMORY"),
}
# Other programs' names that resemble a setting: libpq's (source: PostgreSQL's "Environment Variables"), botocore's
# (source: boto3's "Configuration"), and those of the images of PostgreSQL.
_OF_OTHERS = {
    *("PGHOSTADDR", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGAPPNAME"),
    *("PGREQUIRESSL", "PGSSLCOMPRESSION", "PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE", "PGSSLCRL", "PGSSLCRLDIR"),
    *("PGSSLSNI", "PGSSLNEGOTIATION", "PGREQUIREPEER", "PGKRBSRVNAME", "PGGSSLIB", "PGGSSENCMODE", "PGGSSDELEGATION"),
    *("PGCONNECT_TIMEOUT", "PGCLIENTENCODING", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGDATESTYLE", "PGTZ"),
    *("PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGGEQO"),
    *("PGSYSCONFDIR", "PGLOCALEDIR", "PGDATA", "PGDATABASES", "PG_COLOR", "PG_COLORS", "PG_VERSION", "PG_MAJOR"),
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST"),
    *("AWS_DEFAULT_REGION", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"),
    *("AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_ACCOUNT_ID", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"),
}
# Names that may belong to other applications: refused in .env only.
_AMBIGUOUS = {
    *("PG_HOST", "PG_PORT", "PG_USER", "PG_PASSWORD", "PG_PASS", "PG_DATABASE", "PG_DB", "PGBIN"),
    *("AWS_ENDPOINT", "AWS_PROFILES", "AWS_REGIONS", "AWS_ACCESS_KEY_ID_FILE"),
}
_OWN = re.compile(
    r"(BACKUP|LAKE|DRILL|ATHENA|NOTIFY|SCHEDULE|RECEIPTS|PUSHGATEWAY|WATCH|MAX_RUN|SCAN|TRANSFER|BUCKET|SHORELINE)_"
)
_SHARED = re.compile(r"PG|AWS_")  # with libpq and botocore
_LINK = re.compile(r"\w+_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP)|PORT)(_\w+)?")  # as Kubernetes sets for a service
_CLOSE = 0.84  # difflib's ratio from which a name counts as misspelt


def misspelt(known: Iterable[str], environment: Mapping[str, str], dotenv: Mapping[str, str | None]) -> dict[str, str]:
    """Return the problems with the names of variables, by name.

    In .env, a name with one of Shoreline's prefixes must be known, and no name may resemble a known one. Other programs
    share the environment: there, only a name with such a prefix that resembles a known one is refused.
    """
    names = {*known, *_OF_COMPOSE}
    passed = names | _OF_OTHERS
    problems = {}
    for name in dotenv:
        meant = _meant(name, names, 0.6 if _OWN.match(name) else _CLOSE)
        if name not in passed and not name.startswith("COMPOSE_") and (meant or _OWN.match(name)):
            problems[name] = _refusal(meant)
    passed |= _AMBIGUOUS
    for name, value in environment.items():
        foreign = name in passed or not value or not (_OWN.match(name) or _SHARED.match(name)) or _LINK.fullmatch(name)
        if not foreign and (meant := _meant(name, names, _CLOSE)):
            problems[name] = _refusal(meant)
    return problems


def _meant(name: str, names: Iterable[str], cutoff: float) -> str | None:
    return next(iter(get_close_matches(name, sorted(names), 1, cutoff)), None)


def _refusal(meant: str | None) -> str:
    return "is not a setting" + (f": did you mean {meant}?" if meant else "; .env.example lists them all")
