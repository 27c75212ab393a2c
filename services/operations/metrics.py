"""Metrics of one-shot jobs: a text file for node_exporter, or a push to a gateway."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from prometheus_client import CollectorRegistry, pushadd_to_gateway, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import basic_auth_handler, default_handler
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from services.operations.events import Event, EventType
from services.operations.figures import METRICS, MetricSample

Series = tuple[str, tuple[tuple[str, str], ...]]  # a metric's name, and its labels by name


def run_figures(event: Event) -> list[MetricSample]:
    """What the end of a run tells: of the run itself, and of its report."""
    labels = {"job_name": event.job}
    ended = event.at.timestamp()
    good = event.moment is EventType.SUCCESS
    figures = [
        MetricSample("shoreline_run_timestamp_seconds", ended, labels),
        MetricSample("shoreline_run_success", float(good), labels),
        MetricSample("shoreline_run_exit_code", float(event.exit_code or 0), labels),
        MetricSample("shoreline_run_duration_seconds", event.seconds or 0.0, labels),
    ]
    if event.usd is not None:
        figures.append(MetricSample("shoreline_run_cost_usd", float(event.usd), labels))
    if good:  # a failure leaves the last success as it was
        figures.append(MetricSample("shoreline_last_success_timestamp_seconds", ended, labels))
    return [*figures, *event.figures]


def series(figures: Iterable[MetricSample], databases: Sequence[str]) -> dict[Series, float]:
    """Each figure as a series with its value, for each database of the run that it does not name itself."""
    return {
        (each.name, tuple(sorted({"database": database, **each.labels}.items()))): each.value
        for each in figures
        for database in databases
    }


def write(path: Path, fresh: Mapping[Series, float]) -> None:
    """Merges series into a text file of node_exporter's collector, at once for its readers.

    What other jobs and databases wrote there stays. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name(path.name + ".lock")):
        registry = CollectorRegistry()
        registry.register(_Given({**_read(path), **fresh}))
        write_to_textfile(str(path), registry)


def push(gateway: str, fresh: Mapping[Series, float], job: str, instance: str) -> None:
    """Adds series to a Pushgateway, in the group of this job and instance. Raises OSError.

    A gateway puts the group's labels over those of its series, and lets a push replace the series of the same name in
    its group: so `database` is none of the group's labels, and `instance` differs where other databases are meant.
    """
    parts = urlsplit(gateway)
    user, password = (None if each is None else unquote(each) for each in (parts.username, parts.password))
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def handler(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        if user is None:
            return default_handler(url, method, timeout, headers, data)
        return basic_auth_handler(url, method, timeout, headers, data, user, password)

    registry = CollectorRegistry()
    registry.register(_Given(fresh))
    group = {"job_name": job, "instance": instance}
    pushadd_to_gateway(bare, job="shoreline", registry=registry, grouping_key=group, timeout=10, handler=handler)


class _Given(Collector):
    """Series as they were given."""

    def __init__(self, values: Mapping[Series, float]) -> None:
        self._values = values

    def collect(self) -> Iterator[Family]:
        """A gauge for each name."""
        for name, metric in METRICS.items():
            found = {labels: value for (of, labels), value in self._values.items() if of == name}
            if not found:
                continue
            family = GaugeMetricFamily(name, metric.tells, labels=["database", *metric.labels])
            for labels, value in sorted(found.items()):
                family.add_metric([dict(labels)[label] for label in ("database", *metric.labels)], value)
            yield family


def _read(path: Path) -> dict[Series, float]:
    """The series that are in the file and that this version knows."""
    if not path.exists():
        return {}
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except ValueError:  # somebody else's file, or half of one: begun anew
        return {}
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name in METRICS and set(sample.labels) == {"database", *METRICS[sample.name].labels}
    }


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, whichever process it is."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
