"""Runs a job: settings, log, progress, result, and errors as exit codes."""

from __future__ import annotations

import errno
import re
import secrets
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from jobs.cli.embedded import embedded_settings
from jobs.cli.result import JobResult, Terminated
from services.errors import DISK_FULL, FolderUnusable, ResourcesExhausted, ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cli.context import Run
    from services.operations.figures import MetricSample

Report = TypeVar("Report")
Show = Callable[[Report, "Console"], str | None]
"""Prints a report and returns the next command to run, such as `shoreline JOB OPTIONS`, or None."""
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
_NO_SUCH_PATH = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
_USER_FIXABLE_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS, *_NO_SUCH_PATH, *DISK_FULL}
_OUT_OF_RESOURCES = re.compile(
    "can't start new thread|failed to map segment|cannot allocate memory|resource temporarily unavailable",
    re.IGNORECASE,
)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Invocation:
    """The options before the job's name."""

    embedded: bool = False


def run_job(
    ctx: typer.Context,
    job: str,
    work: Callable[[Run], Report],
    show: Show[Report],
    *,
    as_json: bool = False,
    verdict: Callable[[Report], ShorelineError | None] = lambda _: None,
    figures: Callable[[Report], Sequence[MetricSample]] = lambda _: (),
) -> None:
    """Do `work`, show its report, and exit: with code 0, or with that of the failure that `verdict` returns.

    The result goes to standard output, everything else to standard error. `figures` of the report go into the last log
    line, the metrics and the messages. Raises typer.Exit.
    """
    result = _new_result(ctx, job, as_json)
    _run(result, lambda: work(_prepare(result)), show, verdict, figures)


def run_without_settings(
    ctx: typer.Context,
    job: str,
    work: Callable[[], Report],
    show: Show[Report],
    *,
    as_json: bool = False,
    verdict: Callable[[Report], ShorelineError | None] = lambda _: None,
) -> None:
    """Do `run_job` for work without settings, database and bucket."""
    result = _new_result(ctx, job, as_json)
    result.log("INFO", "text")
    _run(result, work, show, verdict, lambda _: ())


def rerun_command(*, without: str) -> str:
    """Return the current command as the next one, without the option `without`, and never with --yes."""
    words = [word for word in sys.argv[1:] if word not in {"--embedded", "--yes", without}]
    return shlex.join(["shoreline", *words])


def _new_result(ctx: typer.Context, job: str, as_json: bool) -> JobResult:
    return JobResult(job, secrets.token_hex(4), as_json, embedded=ctx.find_root().obj.embedded)


def _run(
    result: JobResult,
    work: Callable[[], Report],
    show: Show[Report],
    verdict: Callable[[Report], ShorelineError | None],
    figures: Callable[[Report], Sequence[MetricSample]],
) -> None:
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)
    try:
        report = work()
        result.figures = figures(report)
        result.report(report, show, verdict(report))
    except ShorelineError as error:
        result.figures = error.figures or result.figures
        result.fail(error)
    except (KeyboardInterrupt, Terminated) as stopped:
        result.stopped(stopped)
    except Exception as error:
        if (failure := _machine_failure(error)) is not None:
            result.fail(failure)
        else:  # a bug
            result.crashed(error)
    _ignore_signals()  # the work is done: only the report is left
    result.close()
    raise typer.Exit(result.exit_code)


def _machine_failure(error: BaseException) -> ShorelineError | None:
    """Return a failure of paths, disks or memory that the user can fix; None for a bug."""
    if isinstance(error, OSError):
        if error.errno in _USER_FIXABLE_ERRNOS and error.filename:
            step = "Choose another path." if error.errno in _NO_SUCH_PATH else None
            return FolderUnusable(f"'{error.filename}': {error.strerror}.", next_step=step)
        if error.errno in DISK_FULL:  # as when standard output goes to a file
            return FolderUnusable(f"{error.strerror}.", next_step="Free disk space, or write to another disk.")
    cause: BaseException | None = error
    while cause is not None:
        match = _OUT_OF_RESOURCES.search(str(cause))
        if isinstance(cause, MemoryError) or (match and isinstance(cause, RuntimeError | ImportError | OSError)):
            lacking = match[0] if match else "no memory is left"
            return ResourcesExhausted(f"The job ran out of memory, threads or processes: {lacking}.")
        cause = cause.__cause__ or cause.__context__
    return None


def _terminate(number: int, _: object) -> NoReturn:
    _ignore_signals()
    if number == signal.SIGHUP:  # the terminal is gone: writing to it would fail the cleanup
        from jobs.cli.console import silence_terminals

        silence_terminals()
    raise Terminated(signal.Signals(number))


def _ignore_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _prepare(result: JobResult) -> Run:
    from jobs.cli.context import Run, open_account
    from jobs.cli.notifications import notify_started
    from jobs.cli.progress import Progress
    from jobs.preflight import before
    from services.settings import load, log_format

    result.log("INFO", log_format())
    settings = embedded_settings(result.job) if result.embedded else load()
    result.hide(settings.secrets())
    result.log(settings.log_level, settings.log_format)
    result.run = Run(
        job=result.job,
        run_id=result.run_id,
        started=datetime.now(UTC),
        settings=settings,
        account=open_account(result.job, settings),
        progress=Progress(result.errors),
        interactive=sys.stdin.isatty() and sys.stdout.isatty(),
        commands=result.commands,
    )
    notify_started(result.run)
    before(result.run)
    return result.run
