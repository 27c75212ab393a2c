"""Tells people, a monitor and Prometheus how a job goes. What cannot be told never changes how the job ended."""

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
    """How a run ended; `error` is empty where it ended well."""

    exit_code: int
    seconds: float
    error: str = ""
    next_step: str = ""
    usd: Decimal | None = None
    figures: Sequence[MetricSample] = ()
    typed: Callable[[str], str] = str  # writes the commands of a next step as they are typed here


def notify_started(run: Run) -> None:
    """Tells those who want to know that a watched job has started."""
    if run.job in run.settings.watch_jobs:
        from services.operations.events import Event, EventType

        begun = Event(EventType.START, run.job, run.settings.pgdatabase, run.started, run.run_id, socket.gethostname())
        send(begun, run.settings)


def notify_finished(run: Run, ending: RunResult) -> None:
    """Tells how a watched job ended, in messages, pings and metrics."""
    if run.job not in run.settings.watch_jobs:
        return
    from services.operations.events import Event, EventType

    ended = Event(
        moment=EventType.FAILURE if ending.exit_code else EventType.SUCCESS,
        job=run.job,
        database=run.settings.pgdatabase,
        at=datetime.now(UTC),
        run_id=run.run_id,
        host=socket.gethostname(),
        seconds=ending.seconds,
        exit_code=ending.exit_code,
        error=ending.error,
        next_step=ending.next_step,
        usd=ending.usd,
        figures=tuple(ending.figures),
    )
    _measure(ended, run.settings)
    send(ended, run.settings)
    for alarm in run.alarms:
        shrank = replace(ended, moment=EventType.SHRANK, database=alarm.database)
        send(replace(shrank, error=alarm.what, next_step=ending.typed(alarm.next_step)), run.settings)


def send(event: Event, settings: Settings) -> None:
    """Sends messages and pings about an event, and says in the log what could not be sent.

    At the end of a run, addresses that it is not for are looked at all the same: a mistyped one is told before it is
    needed.
    """
    from services.operations.events import EventType, message

    wanted = event.moment in settings.notify_on
    people = settings.notify_addresses() if wanted or event.moment is not EventType.START else ()
    monitor = settings.ping_address(event.job)
    if not people and monitor is None:
        return
    told = message(event, make_redactor(settings.secrets()))

    def send() -> list[str]:
        from services.operations import notifications as notify

        problems = notify.send(people, event.moment, told if wanted else None)
        return problems + (notify.ping(monitor, event.moment, told.body) if monitor else [])

    _attempt("notification could not be sent", send, settings)


def _measure(event: Event, settings: Settings) -> None:
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
            # not the host, whose name is another one in each container
            instance = f"{settings.pgdatabase}@{settings.pghost}:{settings.pgport}"
            metrics.push(gateway.get_secret_value(), fresh, event.job, instance)
        return []

    _attempt("metrics could not be written", write, settings)
    _attempt("metrics could not be pushed", push, settings)


def _attempt(what: str, action: Callable[[], list[str]], settings: Settings) -> None:
    from loguru import logger

    try:
        problems = action()
    except Exception as error:  # whatever goes wrong here, the job itself is as good as it was
        problems = [make_redactor(settings.secrets())(f"{type(error).__name__}: {error}")]
    for problem in problems:
        logger.warning("The {}: {}", what, problem)
