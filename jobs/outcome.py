"""How a run ends: told to a person or as one JSON object, with its receipt and its exit code."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from services.errors import ShorelineError

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.run import Run
    from services.costs.receipt import Receipt

TERMINATED, INTERRUPTED = 143, 130
_SHORTEST_SECRET = 5  # 'test', which LocalStack takes, is none, and stands in many words


class Terminated(BaseException):
    """SIGTERM came: what is under way is ended cleanly on the way out."""


class Outcome:
    """How a run ends, told to a person or as one JSON object."""

    def __init__(self, job: str, run_id: str, as_json: bool) -> None:
        from rich.console import Console

        self.job, self.run_id, self.exit_code = job, run_id, 0
        self.run: Run | None = None
        self.embedded = False
        self._following: str | None = None
        self.errors = Console(stderr=True, highlight=False)
        self._json = as_json
        self._secrets: list[str] = []
        self._began = time.monotonic()

    def hide(self, secrets: list[str]) -> None:
        """Keeps these values out of everything told from now on, a bug's traceback included."""
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def log(self, level: str, style: str) -> None:
        """Sends the log to standard error, without secrets and without the values of variables."""
        from loguru import logger

        logger.remove()
        logger.configure(extra={"job": self.job, "run_id": self.run_id})
        line = "<dim>{time:HH:mm:ss!UTC}</dim> <level>{level: <7}</level> {message}"
        look: dict[str, Any] = {"serialize": True} if style == "json" else {"format": line}
        look |= {"diagnose": False, "backtrace": False, "colorize": sys.stderr.isatty() and style != "json"}
        logger.add(lambda message: print(self._redacted(message), end="", file=sys.stderr), level=level, **look)  # noqa: T201

    def report(self, report: Any, show: Callable[[Any, Console], str | None], failure: ShorelineError | None) -> None:
        """The job did its work; `failure` is what it found, if that is a failure."""
        from rich.console import Console

        from jobs.jsonable import jsonable

        if self._json:
            self._print({"ok": failure is None, "result": jsonable(report), **_error(failure)})
        else:
            self._following = show(report, Console(highlight=False))
        if failure is not None:
            self._tell(failure)
            return
        self._close("done")
        if self._following:
            contained = self.run is not None and self.run.settings.compose_profile_file is not None
            command = typed(self._following, embedded=self.embedded, contained=contained)
            self.errors.print(f"Next: {command}", soft_wrap=True, markup=False)

    def fail(self, error: ShorelineError) -> None:
        """The job could not do its work."""
        if self._json:
            self._print({"ok": False, **_error(error)})
        self._tell(error)

    def stopped(self, reason: BaseException) -> None:
        """Someone stopped the job."""
        name, self.exit_code = ("SIGTERM", TERMINATED) if isinstance(reason, Terminated) else ("Ctrl-C", INTERRUPTED)
        if self._json:
            self._print({"ok": False, "error": f"stopped by {name}", "exit_code": self.exit_code})
        self._close(f"stopped by {name}")

    def crashed(self, error: Exception) -> None:
        """A bug."""
        from loguru import logger

        self.exit_code = 1
        if self._json:
            self._print({"ok": False, "error": f"unexpected {type(error).__name__}", "exit_code": 1})
        logger.opt(exception=error).critical("This is a bug in Shoreline: {}", type(error).__name__)

    def _tell(self, error: ShorelineError) -> None:
        from loguru import logger

        self.exit_code = error.exit_code
        logger.error("{}", error)
        if error.next_step:
            logger.info("Next: {}", error.next_step)
        self._close("failed")

    def _close(self, how: str) -> None:
        from loguru import logger

        from services import human

        self._show_receipt()
        taken = time.monotonic() - self._began
        logger.bind(exit_code=self.exit_code, seconds=round(taken, 3)).info(
            "{} {} in {}", self.job, how, human.seconds(taken)
        )

    def _print(self, fields: dict[str, Any]) -> None:
        taken = round(time.monotonic() - self._began, 3)
        receipt = {} if self._receipt is None else {"receipt": self._receipt.as_json()}
        fields = {"job": self.job, "run_id": self.run_id, "seconds": taken, **fields, **receipt}
        print(self._redacted(json.dumps(fields, indent=2)))  # noqa: T201

    @cached_property
    def _receipt(self) -> Receipt | None:
        """What the run cost, kept as a file; a job without settings asks nothing of AWS."""
        if self.run is None:
            return None
        from jobs.receipts import close

        return close(self.run)

    def _show_receipt(self) -> None:
        if self._receipt is not None and not self._json:
            from jobs.receipts import show_receipt

            show_receipt(self._receipt, self.errors)


def typed(command: str, *, embedded: bool, contained: bool) -> str:
    """How a person types `shoreline JOB OPTIONS` here: by make on the embedded stack, by Compose in a container."""
    program, _, rest = command.partition(" ")
    if program != "shoreline":
        return command
    if contained:
        return f"docker compose run --rm {rest}"
    job, _, options = rest.partition(" ")
    if not embedded:
        return command
    return f'make {job} ARGS="{options}"' if options else f"make {job}"


def _error(error: ShorelineError | None) -> dict[str, Any]:
    if error is None:
        return {}
    return {"error": str(error), "next_step": error.next_step, "exit_code": error.exit_code}
