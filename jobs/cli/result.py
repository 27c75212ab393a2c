"""The result of a run, for a person or as one JSON object, with its receipt and exit code."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.cli.logging import Style, configure, make_redactor, redacted
from services.errors import ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cli.context import Run
    from services.costs.receipt import Receipt
    from services.operations.figures import MetricSample

INTERRUPTED_EXIT_CODE = 130
FORMAT = "shoreline-result/1"  # of --json; keys may be added, never removed
_COMMAND = re.compile(r"`(shoreline [^`]+)`")  # in the next step of an error


class Terminated(BaseException):
    """SIGTERM or SIGHUP was received. Raised so that the job cleans up."""

    def __init__(self, by: signal.Signals = signal.SIGTERM) -> None:
        super().__init__(by.name)
        self.by = by


class JobResult:
    """Reports the result of a run to a person, or as one JSON object."""

    def __init__(self, job: str, run_id: str, as_json: bool, *, embedded: bool = False) -> None:
        from jobs.cli.console import Output

        self.job, self.run_id, self.exit_code = job, run_id, 0
        self.run: Run | None = None
        self.figures: Sequence[MetricSample] = ()
        self.embedded = embedded
        self._next_command: str | None = None
        self.errors = Output(stderr=True)
        self._json = as_json
        self._style: Style | None = None  # None until the log is configured
        self._outcome, self._error = "done", ShorelineError("")
        self._redact = make_redactor(())
        self._began = time.monotonic()

    def hide(self, secrets: Iterable[str]) -> None:
        """Remove these values from all further output, tracebacks included."""
        self._redact = make_redactor(secrets)

    def log(self, level: str, style: Style) -> None:
        """Send the log to standard error."""
        self._style = style
        configure(level, style, self._redact, job=self.job, run_id=self.run_id)

    def report(self, report: Any, show: Callable[[Any, Console], str | None], failure: ShorelineError | None) -> None:
        """Report the work as done; `failure` is what its verdict found, if anything."""
        from jobs.cli.console import Output, jsonable, tolerate_broken_pipe

        if self._json:
            self._print({"ok": failure is None, "result": jsonable(report), **self._error_fields(failure)})
        else:
            with tolerate_broken_pipe(sys.stdout):
                self._next_command = show(report, Output())
        if failure is not None:
            self._log_error(failure)

    def fail(self, error: ShorelineError) -> None:
        """Report that the job failed."""
        if self._json:
            self._print({"ok": False, **self._error_fields(error)})
        self._log_error(error)

    def stopped(self, reason: BaseException) -> None:
        """Report that a signal stopped the job."""
        if self._style is None:  # before the settings were read
            from services.settings import log_format

            self.log("INFO", log_format())
        if isinstance(reason, Terminated):
            name, self.exit_code = reason.by.name, 128 + reason.by
        else:
            name, self.exit_code = "Ctrl-C", INTERRUPTED_EXIT_CODE
        if self._json:
            self._print({"ok": False, "error": f"stopped by {name}", "exit_code": self.exit_code})
        self._outcome, self._error = f"stopped by {name}", ShorelineError(f"Stopped by {name}.")

    def crashed(self, error: Exception) -> None:
        """Report an unexpected exception."""
        from loguru import logger

        self.exit_code = 1
        message = f"This is a bug in Shoreline: {type(error).__name__}"
        self._outcome, self._error = "failed", ShorelineError(message, next_step="Its traceback is in the log.")
        if self._json:
            self._print({"ok": False, "error": f"unexpected {type(error).__name__}", "exit_code": 1})
        logger.opt(exception=error).critical(message)

    def _log_error(self, error: ShorelineError) -> None:
        from loguru import logger

        self.exit_code, self._outcome, self._error = error.exit_code, "failed", error
        logger.error("{}", error)
        if step := self._step(error):
            logger.info("Next: {}", step)

    def close(self) -> None:
        """Show the receipt, send notifications, and log the line that sums up the run."""
        from loguru import logger

        from services import formatting

        self._show_receipt()
        taken = time.monotonic() - self._began
        fields: dict[str, Any] = {"exit_code": self.exit_code, "seconds": round(taken, 3)}
        names = [sample.name for sample in self.figures]
        fields |= {  # without those that only their labels tell apart
            sample.name.removeprefix("shoreline_"): sample.value
            for sample in self.figures
            if names.count(sample.name) == 1
        }
        if self.run is not None:
            from jobs.cli.notifications import RunResult, notify_finished

            usd = self._receipt.total if self._receipt else None
            settings = self.run.settings
            fields |= {"database": settings.pgdatabase, "bucket": settings.bucket, "usd": f"{usd:f}" if usd else "0"}
            notify_finished(
                self.run,
                RunResult(
                    self.exit_code, taken, str(self._error), self._step(self._error), usd, self.figures, self.commands
                ),
            )
        logger.bind(**fields).info("{} {} in {}", self.job, self._outcome, formatting.seconds(taken))
        if self._next_command and not self.exit_code:
            self.errors.print(f"Next: {self._typed(self._next_command)}", soft_wrap=True)

    def _error_fields(self, error: ShorelineError | None) -> dict[str, Any]:
        if error is None:
            return {}
        return {"error": str(error), "next_step": self._step(error), "exit_code": error.exit_code}

    def _step(self, error: ShorelineError) -> str:
        """Return the next step after an error, with its commands rewritten for this installation."""
        return self.commands(error.next_step)

    def commands(self, text: str) -> str:
        """Return a text with its commands rewritten for this installation."""
        return _COMMAND.sub(lambda match: f"`{self._typed(match[1])}`", text)

    def _typed(self, command: str) -> str:
        contained = self.run is not None and self.run.settings.compose_profile_file is not None
        return typed(command, embedded=self.embedded, contained=contained)

    def _print(self, fields: dict[str, Any]) -> None:
        from jobs.cli.console import tolerate_broken_pipe

        taken = round(time.monotonic() - self._began, 3)
        receipt = {} if self._receipt is None else {"receipt": self._receipt.as_json()}
        fields = {"format": FORMAT, "job": self.job, "run_id": self.run_id, "seconds": taken, **fields, **receipt}
        with tolerate_broken_pipe(sys.stdout):
            print(json.dumps(redacted(fields, self._redact), indent=2))  # noqa: T201

    @cached_property
    def _receipt(self) -> Receipt | None:
        """The stored receipt; None for a job without settings, which calls no AWS service."""
        if self.run is None:
            return None
        from jobs.receipts import close

        return close(self.run)

    def _show_receipt(self) -> None:
        if self._receipt is not None and not self._json and self._style == "text":
            from jobs.receipts import show_receipt

            show_receipt(self._receipt, self.errors)


def typed(command: str, *, embedded: bool, contained: bool) -> str:
    """Return `shoreline JOB OPTIONS` as typed here: with make on the embedded stack, with Compose in a container."""
    program, _, rest = command.partition(" ")
    if program == "psql" and contained and "--host=postgres " in rest:  # a host name inside the Compose network
        return f"docker compose exec postgres {command}"
    if program != "shoreline":
        return command
    if contained:
        if rest == "up":  # the offline store is a service, not a job
            return "docker compose up --detach --wait localstack"
        run = "up --detach" if rest == "schedule" else "run --rm"  # a service that keeps running
        return f"docker compose {run} {rest}"
    job, _, options = rest.partition(" ")
    if not embedded:
        return command
    return f"make {job} ARGS={_through_make(options)}" if options else f"make {job}"


def _through_make(options: str) -> str:
    """Return options as a make variable on a command line: the shell reads the quotes, then make `$`."""
    value = options.replace("$", "$$")
    if "!" in value:  # an interactive bash expands it in double quotes
        return shlex.quote(value)
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
