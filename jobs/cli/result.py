"""How a run ends: told to a person or as one JSON object, with its receipt and its exit code."""

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
FORMAT = "shoreline-result/1"  # of what --json prints: keys are added to it, and none is taken away
_COMMAND = re.compile(r"`(shoreline [^`]+)`")  # in the next step of an error


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: what is under way is ended cleanly on the way out."""

    def __init__(self, by: signal.Signals = signal.SIGTERM) -> None:
        super().__init__(by.name)
        self.by = by


class JobResult:
    """How a run ends, told to a person or as one JSON object."""

    def __init__(self, job: str, run_id: str, as_json: bool, *, embedded: bool = False) -> None:
        from jobs.cli.console import Output

        self.job, self.run_id, self.exit_code = job, run_id, 0
        self.run: Run | None = None
        self.figures: Sequence[MetricSample] = ()
        self.embedded = embedded
        self._following: str | None = None
        self.errors = Output(stderr=True)
        self._json = as_json
        self._style: Style | None = None  # until the log is set up
        self._how, self._error = "done", ShorelineError("")
        self._redact = make_redactor(())
        self._began = time.monotonic()

    def hide(self, secrets: Iterable[str]) -> None:
        """Keeps these values out of everything told from now on, a bug's traceback included."""
        self._redact = make_redactor(secrets)

    def log(self, level: str, style: Style) -> None:
        """Sends the log to standard error."""
        self._style = style
        configure(level, style, self._redact, job=self.job, run_id=self.run_id)

    def report(self, report: Any, show: Callable[[Any, Console], str | None], failure: ShorelineError | None) -> None:
        """The job did its work; `failure` is what it found, if that is a failure."""
        from jobs.cli.console import Output, jsonable, tolerate_broken_pipe

        if self._json:
            self._print({"ok": failure is None, "result": jsonable(report), **self._told(failure)})
        else:
            with tolerate_broken_pipe(sys.stdout):
                self._following = show(report, Output())
        if failure is not None:
            self._tell(failure)

    def fail(self, error: ShorelineError) -> None:
        """The job could not do its work."""
        if self._json:
            self._print({"ok": False, **self._told(error)})
        self._tell(error)

    def stopped(self, reason: BaseException) -> None:
        """Someone stopped the job."""
        if self._style is None:  # before the settings were read
            from services.settings import log_format

            self.log("INFO", log_format())
        if isinstance(reason, Terminated):
            name, self.exit_code = reason.by.name, 128 + reason.by
        else:
            name, self.exit_code = "Ctrl-C", INTERRUPTED_EXIT_CODE
        if self._json:
            self._print({"ok": False, "error": f"stopped by {name}", "exit_code": self.exit_code})
        self._how, self._error = f"stopped by {name}", ShorelineError(f"Stopped by {name}.")

    def crashed(self, error: Exception) -> None:
        """A bug."""
        from loguru import logger

        self.exit_code = 1
        what = f"This is a bug in Shoreline: {type(error).__name__}"
        self._how, self._error = "failed", ShorelineError(what, next_step="Its traceback is in the log.")
        if self._json:
            self._print({"ok": False, "error": f"unexpected {type(error).__name__}", "exit_code": 1})
        logger.opt(exception=error).critical(what)

    def _tell(self, error: ShorelineError) -> None:
        from loguru import logger

        self.exit_code, self._how, self._error = error.exit_code, "failed", error
        logger.error("{}", error)
        if step := self._step(error):
            logger.info("Next: {}", step)

    def close(self) -> None:
        """Shows the receipt, tells those who watch, and logs the one line that sums the run up."""
        from loguru import logger

        from services import formatting

        self._show_receipt()
        taken = time.monotonic() - self._began
        fields: dict[str, Any] = {"exit_code": self.exit_code, "seconds": round(taken, 3)}
        names = [each.name for each in self.figures]  # one that is told more than once needs its labels to mean a thing
        fields |= {
            each.name.removeprefix("shoreline_"): each.value for each in self.figures if names.count(each.name) == 1
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
        logger.bind(**fields).info("{} {} in {}", self.job, self._how, formatting.seconds(taken))
        if self._following and not self.exit_code:
            self.errors.print(f"Next: {self._typed(self._following)}", soft_wrap=True)

    def _told(self, error: ShorelineError | None) -> dict[str, Any]:
        if error is None:
            return {}
        return {"error": str(error), "next_step": self._step(error), "exit_code": error.exit_code}

    def _step(self, error: ShorelineError) -> str:
        """What to do about an error, its commands as they are typed here."""
        return self.commands(error.next_step)

    def commands(self, text: str) -> str:
        """Return a text with its commands as they are typed here."""
        return _COMMAND.sub(lambda found: f"`{self._typed(found[1])}`", text)

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
        """What the run cost, kept as a file; a job without settings asks nothing of AWS."""
        if self.run is None:
            return None
        from jobs.receipts import close

        return close(self.run)

    def _show_receipt(self) -> None:
        if self._receipt is not None and not self._json and self._style == "text":
            from jobs.receipts import show_receipt

            show_receipt(self._receipt, self.errors)


def typed(command: str, *, embedded: bool, contained: bool) -> str:
    """How a person types `shoreline JOB OPTIONS` here: by make on the embedded stack, by Compose in a container."""
    program, _, rest = command.partition(" ")
    if program == "psql" and contained and "--host=postgres " in rest:  # a name that only the containers know
        return f"docker compose exec postgres {command}"
    if program != "shoreline":
        return command
    if contained:
        if rest == "up":  # the offline store is a service, not a job
            return "docker compose up --detach --wait localstack"
        run = "up --detach" if rest == "schedule" else "run --rm"  # it is a service, and goes on
        return f"docker compose {run} {rest}"
    job, _, options = rest.partition(" ")
    if not embedded:
        return command
    return f"make {job} ARGS={_through_make(options)}" if options else f"make {job}"


def _through_make(options: str) -> str:
    """Options as the value of a make variable on a shell's command line: the shell reads quotes, then make `$`."""
    value = options.replace("$", "$$")
    if "!" in value:  # in double quotes an interactive bash takes it for its history
        return shlex.quote(value)
    return '"' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
