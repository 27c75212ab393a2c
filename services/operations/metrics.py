"""Writes metrics of jobs: to a text file for node_exporter, or to a Pushgateway."""

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
    """Return the metrics of a finished run and its report."""
    labels = {"job_name": event.job}
    ended_at = event.at.timestamp()
    succeeded = event.moment is EventType.SUCCESS
    figures = [
        MetricSample("shoreline_run_timestamp_seconds", ended_at, labels),
        MetricSample("shoreline_run_success", float(succeeded), labels),
        MetricSample("shoreline_run_exit_code", float(event.exit_code or 0), labels),
        MetricSample("shoreline_run_duration_seconds", event.seconds or 0.0, labels),
    ]
    if event.usd is not None:
        figures.append(MetricSample("shoreline_run_cost_usd", float(event.usd), labels))
    if succeeded:  # a failure keeps the time of the last success
        figures.append(MetricSample("shoreline_last_success_timestamp_seconds", ended_at, labels))
    return [*figures, *event.figures]


def series(figures: Iterable[MetricSample], databases: Sequence[str]) -> dict[Series, float]:
    """Return the value of each series: one per database of the run, unless the sample names its database."""
    return {
        (sample.name, tuple(sorted({"database": database, **sample.labels}.items()))): sample.value
        for sample in figures
        for database in databases
    }


def write(path: Path, fresh: Mapping[Series, float]) -> None:
    """Merge series into a text file of node_exporter's collector, atomically. Raises OSError.

    Series of other jobs and databases are kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name(path.name + ".lock")):
        registry = CollectorRegistry()
        registry.register(_SeriesCollector({**_read(path), **fresh}))
        write_to_textfile(str(path), registry)


def push(gateway: str, fresh: Mapping[Series, float], job: str, instance: str) -> None:
    """Push series to a Pushgateway, in the group of this job and instance. Raises OSError.

    The group's labels override those of its series, and a push replaces series of the same name in its group: hence
    `database` is not a label of the group, and `instance` differs between databases.
    """
    parts = urlsplit(gateway)
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def handler(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        if user is None:
            return default_handler(url, method, timeout, headers, data)
        return basic_auth_handler(url, method, timeout, headers, data, user, password)

    registry = CollectorRegistry()
    registry.register(_SeriesCollector(fresh))
    group = {"job_name": job, "instance": instance}
    pushadd_to_gateway(bare, job="shoreline", registry=registry, grouping_key=group, timeout=10, handler=handler)


class _SeriesCollector(Collector):
    """Collects fixed series."""

    def __init__(self, values: Mapping[Series, float]) -> None:
        self._values = values

    def collect(self) -> Iterator[Family]:
        """Yield a gauge for each metric."""
        for name, metric in METRICS.items():
            values = {labels: value for (of, labels), value in self._values.items() if of == name}
            if not values:
                continue
            family = GaugeMetricFamily(name, metric.help, labels=["database", *metric.labels])
            for labels, value in sorted(values.items()):
                family.add_metric([dict(labels)[label] for label in ("database", *metric.labels)], value)
            yield family


def _read(path: Path) -> dict[Series, float]:
    """Return the series in the file that this version knows."""
    if not path.exists():
        return {}
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except ValueError:  # a damaged or foreign file is replaced
        return {}
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if sample.name in METRICS and set(sample.labels) == {"database", *METRICS[sample.name].labels}
    }


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
