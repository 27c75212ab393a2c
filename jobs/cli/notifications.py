"""Notifies people, a monitor and Prometheus of a run. A failure to notify never changes the run's exit code."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from jobs.cli.logging import make_redactor

if TYPE_CHECKING:
    from jobs.cli.context import Run
    from services.operations.events import Event
    from services.operations.figures import MetricSample
    from services.settings import Settings


@dataclass(frozen=True)
class RunResult:
    """The end of a run."""

    exit_code: int
    seconds: float
    error: str = ""  # empty after a success
    next_step: str = ""
    usd: Decimal | None = None
    figures: Sequence[MetricSample] = ()
    typed: Callable[[str], str] = str  # rewrites the commands in a text for this installation


def notify_started(run: Run) -> None:
    """Send the start of a watched job."""
    if run.job in run.settings.watch_jobs:
        from services.operations.events import Event, EventType

        start = Event(EventType.START, run.job, run.settings.pgdatabase, run.started, run.run_id, socket.gethostname())
        send(start, run.settings)


def notify_finished(run: Run, result: RunResult) -> None:
    """Send the end of a watched job in messages, pings and metrics."""
    if run.job not in run.settings.watch_jobs:
        return
    from services.operations.events import Event, EventType

    end = Event(
        moment=EventType.FAILURE if result.exit_code else EventType.SUCCESS,
        job=run.job,
        database=run.settings.pgdatabase,
        at=datetime.now(UTC),
        run_id=run.run_id,
        host=socket.gethostname(),
        seconds=result.seconds,
        exit_code=result.exit_code,
        error=result.error,
        next_step=result.next_step,
        usd=result.usd,
        figures=tuple(result.figures),
    )
    _write_metrics(end, run.settings)
    send(end, run.settings)
    for alarm in run.alarms:
        shrank = replace(end, moment=EventType.SHRANK, database=alarm.database)
        send(replace(shrank, error=alarm.what, next_step=result.typed(alarm.next_step)), run.settings)


def send(event: Event, settings: Settings) -> None:
    """Send messages and pings about an event, and log what could not be sent.

    At the end of a run every address is parsed, even without a message: a typo should not wait for a failure.
    """
    from services.operations.events import EventType, message

    wanted = event.moment in settings.notify_on
    people = settings.notify_addresses() if wanted or event.moment is not EventType.START else ()
    monitor = settings.ping_address(event.job)
    if not people and monitor is None:
        return
    text = message(event, make_redactor(settings.secrets()))

    def send() -> list[str]:
        from services.operations import notifications as notify

        problems = notify.send(people, event.moment, text if wanted else None)
        return problems + (notify.ping(monitor, event.moment, text.body) if monitor else [])

    _attempt("notification could not be sent", send, settings)


def _write_metrics(event: Event, settings: Settings) -> None:
    path = settings.metrics_file
    gateway = settings.pushgateway_url
    if path is None and gateway is None:
        return

    from services.operations import metrics

    fresh = metrics.series(metrics.run_figures(event), settings.database_names)

    def write() -> list[str]:
        if path is not None:
            metrics.write(path, fresh)
        return []

    def push() -> list[str]:
        if gateway is not None:
            # without the host name, which differs in each container
            instance = f"{settings.pgdatabase}@{settings.pghost}:{settings.pgport}"
            metrics.push(gateway.get_secret_value(), fresh, event.job, instance)
        return []

    _attempt("metrics could not be written", write, settings)
    _attempt("metrics could not be pushed", push, settings)


def _attempt(what: str, action: Callable[[], list[str]], settings: Settings) -> None:
    from loguru import logger

    try:
        problems = action()
    except Exception as error:  # must not fail the job
        problems = [make_redactor(settings.secrets())(f"{type(error).__name__}: {error}")]
    for problem in problems:
        logger.warning("The {}: {}", what, problem)
