"""Runs a job: settings, log, progress, time, the closing line, and errors as exit codes."""

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
"""Prints a report, and gives the command to type next, as `shoreline JOB OPTIONS` or any other."""
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
    """What the options before the job's name say."""

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
) -> NoReturn:
    """Does `work`, shows its report, and exits with what `verdict` makes of it.

    The result goes to standard output, everything else to standard error; `figures` of it go into the closing line,
    the metrics and the messages.
    """
    outcome = _outcome(ctx, job, as_json)
    _run(outcome, lambda: work(_prepare(outcome)), show, verdict, figures)


def run_without_settings(
    ctx: typer.Context,
    job: str,
    work: Callable[[], Report],
    show: Show[Report],
    *,
    as_json: bool = False,
    verdict: Callable[[Report], ShorelineError | None] = lambda _: None,
) -> NoReturn:
    """Like `run_job`, for work that needs no database, no bucket and no settings."""
    outcome = _outcome(ctx, job, as_json)
    outcome.log("INFO", "text")
    _run(outcome, work, show, verdict, lambda _: ())


def rerun_command(*, without: str) -> str:
    """The command that runs now, as the next one: without one of its options, and never past a question."""
    kept = [word for word in sys.argv[1:] if word not in {"--embedded", "--yes", without}]
    return shlex.join(["shoreline", *kept])


def _outcome(ctx: typer.Context, job: str, as_json: bool) -> JobResult:
    return JobResult(job, secrets.token_hex(4), as_json, embedded=ctx.find_root().obj.embedded)


def _run(
    outcome: JobResult,
    work: Callable[[], Report],
    show: Show[Report],
    verdict: Callable[[Report], ShorelineError | None],
    figures: Callable[[Report], Sequence[MetricSample]],
) -> NoReturn:
    for each in _STOP_SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:  # nohup has it ignored
            signal.signal(each, _terminate)
    try:
        report = work()
        outcome.figures = figures(report)
        outcome.report(report, show, verdict(report))
    except ShorelineError as error:
        outcome.figures = error.figures or outcome.figures
        outcome.fail(error)
    except (KeyboardInterrupt, Terminated) as stopped:
        outcome.stopped(stopped)
    except Exception as error:
        if (failure := _of_the_machine(error)) is not None:
            outcome.fail(failure)
        else:  # a bug: told as one, never as success
            outcome.crashed(error)
    _ignore_signals()  # the work is over: what is left is to say so
    outcome.close()
    raise typer.Exit(outcome.exit_code)


def _of_the_machine(error: BaseException) -> ShorelineError | None:
    """What a user can fix about paths, disks and memory; None for a bug."""
    if isinstance(error, OSError):
        if error.errno in _USER_FIXABLE_ERRNOS and error.filename:
            step = "Let the setting or option name another path." if error.errno in _NO_SUCH_PATH else None
            return FolderUnusable(f"'{error.filename}': {error.strerror}.", next_step=step)
        if error.errno in DISK_FULL:  # as when standard output goes to a file
            return FolderUnusable(f"{error.strerror}.", next_step="Make room on the disk, or write elsewhere.")
    cause: BaseException | None = error
    while cause is not None:
        told = _OUT_OF_RESOURCES.search(str(cause))
        if isinstance(cause, MemoryError) or (told and isinstance(cause, RuntimeError | ImportError | OSError)):
            lacking = told[0] if told else "no memory is left"
            return ResourcesExhausted(f"The job ran out of memory, threads or processes: {lacking}.")
        cause = cause.__cause__ or cause.__context__
    return None


def _terminate(number: int, _: object) -> NoReturn:
    _ignore_signals()
    if number == signal.SIGHUP:  # the terminal is gone: what is written there would fail the cleaning up
        from jobs.cli.console import silence_terminals

        silence_terminals()
    raise Terminated(signal.Signals(number))


def _ignore_signals() -> None:
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _prepare(outcome: JobResult) -> Run:
    from jobs.cli.context import Run, open_account
    from jobs.cli.notifications import notify_started
    from jobs.cli.progress import Progress
    from jobs.preflight import before
    from services.settings import load, log_format

    outcome.log("INFO", log_format())
    settings = embedded_settings(outcome.job) if outcome.embedded else load()
    outcome.hide(settings.secrets())
    outcome.log(settings.log_level, settings.log_format)
    outcome.run = Run(
        job=outcome.job,
        run_id=outcome.run_id,
        started=datetime.now(UTC),
        settings=settings,
        account=open_account(outcome.job, settings),
        progress=Progress(outcome.errors),
        interactive=sys.stdin.isatty() and sys.stdout.isatty(),
        commands=outcome.commands,
    )
    notify_started(outcome.run)
    before(outcome.run)
    return outcome.run
