"""Put a backup back as a database."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli.context import Run
from jobs.cli.runner import Json, Yes, run_job

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from services.backups.catalog import Backup
    from services.backups.restore import Restored
    from services.postgres.client import Database

Key = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="The backup with this key, or the last part of the key.")
]
Latest = Annotated[bool, typer.Option("--latest", help="The newest backup (default).")]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="The newest backup from before this time (UTC): 2025-06-10T14:00."),
]

DatabaseName = Annotated[
    str | None,
    typer.Option("--database", metavar="NAME", help="The database whose backups to use; default: PGDATABASE."),
]
CreateRoles = Annotated[bool, typer.Option("--create-roles", help="Create missing roles, without login.")]
AllowUnencrypted = Annotated[
    bool,
    typer.Option("--allow-unencrypted", help="Accept a backup that is not encrypted although an age identity is set."),
]


def command(
    ctx: typer.Context,
    latest: Latest = False,
    before: Before = None,
    key: Key = None,
    database: DatabaseName = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into", metavar="NAME", help="The database to create; default: the name of the one that was backed up."
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a database that is not empty.")] = False,
    keep_old: Annotated[
        bool,
        typer.Option(
            "--keep-old", help="With --replace: keep the replaced database, renamed to NAME_before_DATE_TIME."
        ),
    ] = False,
    yes: Yes = False,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--tables",
            metavar="NAME",
            help="Only the columns and rows of this table. Repeatable. Custom format only.",
        ),
    ] = None,
    schema_only: Annotated[
        bool, typer.Option("--schema-only", help="Everything but the rows. Custom format only.")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option("--jobs", metavar="N", min=1, help="Parallel connections. Custom format only; needs disk space."),
    ] = 1,
    create_roles: CreateRoles = False,
    allow_unencrypted: AllowUnencrypted = False,
    as_json: Json = False,
) -> None:
    """Restore a backup into a new database, which gets its final name only when it is complete.

    To --replace a database that is not empty, type its name on a terminal, or pass --yes.
    """
    run_job(
        ctx,
        "restore",
        lambda run: restore(
            run,
            pick(run, latest=latest, before=before, key=key, database=database),
            into,
            replace=replace,
            keep_old=keep_old,
            yes=yes,
            tables=tuple(tables or ()),
            schema_only=schema_only,
            jobs=jobs,
            create_roles=create_roles,
            allow_unencrypted=allow_unencrypted,
        ),
        show,
        as_json=as_json,
    )


def restore(
    run: Run,
    backup: Backup,
    into: str | None = None,
    *,
    replace: bool = False,
    keep_old: bool = False,
    yes: bool = False,
    **load_options: Any,
) -> Restored:
    """Restore a backup under a database's name. `load_options` are fields of LoadOptions."""
    from datetime import UTC, datetime

    from loguru import logger

    from jobs.cli.drill_server import is_superuser
    from jobs.cli.repository import download_cost, identities
    from services.backups import restore as restoring
    from services.backups.load import LoadOptions
    from services.backups.restore import name_for_replaced
    from services.errors import InputError

    _require_name("--into", into)
    if keep_old and not replace:
        raise InputError("--keep-old keeps the database that --replace replaces.", next_step="Add --replace.")
    options = LoadOptions(identities=identities(run), **load_options)
    target = run.database_named(into or backup.manifest.database)
    size = backup.manifest.object.bytes
    warn_of_shrinkage(run, backup)
    if replace and not yes:
        _confirm_replacement(run, backup, target)
    keep_as = name_for_replaced(target, datetime.now(UTC)) if keep_old else None
    logger.info("restoring {} as {}; {}", backup.key, target.name, download_cost(run, backup))
    if is_superuser(target):
        logger.info("{} is a superuser: functions of the backup's owners run with its rights", target.connection.user)
    with run.progress.task("restore", size) as advance:
        restored = restoring.restore(
            run.storage,
            backup,
            target,
            options,
            replace=replace,
            keep_as=keep_as,
            advance=advance,
        )
    if not restored.part and restored.database != restored.source:
        command = shlex.join(["shoreline", "restore", f"--key={backup.name.stem}", "--replace"])
        logger.info(run.commands(f"`{command}` restores it in the place of {restored.source}"))
    return restored


def warn_of_shrinkage(run: Run, backup: Backup) -> None:
    """Log a warning when the database had lost most of its content before this backup."""
    from loguru import logger

    from jobs.cli.repository import shrank_alarm

    if alarm := shrank_alarm(backup):
        logger.warning("{} {}", alarm.what, run.commands(alarm.next_step))


def _confirm_replacement(run: Run, backup: Backup, target: Database) -> None:
    """Show a database that is not empty beside the backup, and ask for its name. Raises NotConfirmed."""
    from jobs.cli.console import Output, confirm
    from services.backups.restore import is_empty
    from services.errors import NotConfirmed

    if not target.exists() or is_empty(target):
        return
    comparison = _describe_replacement(run, backup, target)
    beside = ["shoreline", "restore", f"--key={backup.name.stem}", f"--into={target.name}_restored"]
    if not run.interactive:
        raise NotConfirmed(
            f"{target.name} is not empty: to replace it, type its name on a terminal, or pass --yes.\n{comparison}",
            next_step=f"`{shlex.join(beside)}` restores under another name.",
        )
    Output(stderr=True).print(comparison, soft_wrap=True)
    confirm("Type the database's name to replace it", target.name, f"{target.name} was not replaced.")


def _describe_replacement(run: Run, backup: Backup, target: Database) -> str:
    """Return a line on the database that would be replaced, and a line on the backup."""
    from services import formatting
    from services.backups.restore import live

    now, summary = live(target), backup.summary
    sessions = f", {formatting.count(now.sessions, 'session')} that will end" if now.sessions else ""
    age = formatting.age(run.storage.now() - backup.taken_at)
    return (
        f"  {target.name} now: {formatting.size(now.bytes)}, about {formatting.count(now.rows, 'row')}{sessions}\n"
        f"  the backup: {formatting.size(summary.database_bytes)}, {formatting.count(summary.rows, 'row')}, {age} old"
        f" ({formatting.moment(backup.taken_at)})"
    )


def pick(
    run: Run, *, latest: bool = False, before: str | None = None, key: str | None = None, database: str | None = None
) -> Backup:
    """Return the backup that the options select. Raises InputError when they conflict or select none."""
    from jobs.cli.repository import archive_of
    from services.errors import InputError

    _require_name("--database", database)
    if sum((latest, before is not None, key is not None)) > 1:
        raise InputError("--latest, --before and --key exclude each other: pass one of them.")
    catalog = archive_of(run).catalog
    if key is not None:
        return catalog.named(key, database)
    return catalog.newest(database or run.database.name, moment(before) if before else None)


def _require_name(option: str, name: str | None) -> None:
    """Raise InputError for an empty name, which an unset shell variable causes: it must not select the default."""
    from services.errors import InputError

    if name is not None and not name.strip():
        raise InputError(f"{option} is empty: expected the name of a database.")


def moment(text: str) -> datetime:
    """Return a time in UTC from ISO 8601 text, which may have another offset. Raises InputError."""
    from datetime import UTC, datetime

    from services.errors import InputError

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"Invalid time {text!r} in --before: expected, for example, 2025-06-10T14:00.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def show(report: Restored, console: Console) -> str:
    """Print what was restored."""
    from services import formatting

    console.print(f"  from        {report.key}", soft_wrap=True)
    replaced = f", in place of {report.kept_as or 'the old one'}" if report.replaced else ""
    console.print(f"  database    {report.database}{replaced}", markup=False)
    rows = f"{formatting.count(report.tables, 'table')}, {formatting.count(report.rows, 'row')}"
    whole = f"{rows}, {formatting.size(report.bytes)}"
    console.print(f"  content     {'part of a backup of ' if report.part else ''}{whole}")
    console.print(f"  restored    in {formatting.seconds(report.seconds)}")
    for note in report.notes:
        console.print(f"  note        {note}", soft_wrap=True)
    return report.psql
