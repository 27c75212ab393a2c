"""The metrics of jobs, under their names in Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A gauge."""

    help: str
    labels: tuple[str, ...] = ()  # besides `database`


METRICS: Mapping[str, Metric] = {
    "shoreline_run_timestamp_seconds": Metric("When the job last ended, as Unix time.", ("job_name",)),
    "shoreline_run_success": Metric("1 when the job last ended well, else 0.", ("job_name",)),
    "shoreline_run_exit_code": Metric("The exit code of the last run.", ("job_name",)),
    "shoreline_run_duration_seconds": Metric("Seconds that the last run took.", ("job_name",)),
    "shoreline_run_cost_usd": Metric("Dollars at AWS's list prices for the last run's requests.", ("job_name",)),
    "shoreline_last_success_timestamp_seconds": Metric("When the job last ended well, as Unix time.", ("job_name",)),
    "shoreline_backup_bytes": Metric("Bytes of the newest backup, as stored."),
    "shoreline_backup_plain_bytes": Metric("Bytes of the newest backup before compression."),
    "shoreline_backup_ratio": Metric("Plain bytes for each stored byte of the newest backup."),
    "shoreline_backup_rows": Metric("Rows in the newest backup."),
    "shoreline_backups_kept": Metric("Complete backups that retention keeps."),
    "shoreline_backups_pruned": Metric("Backups that retention deleted in the last run."),
    "shoreline_drill_success": Metric("1 when the last drilled backup restored without a difference, else 0."),
    "shoreline_drill_restore_seconds": Metric("Seconds that the last drill's restore took: the measured RTO."),
    "shoreline_lake_rows": Metric("Rows of a table in the lake.", ("table",)),
    "shoreline_query_scanned_bytes": Metric("Bytes that a query scanned.", ("query",)),
}


@dataclass(frozen=True)
class MetricSample:
    """One value of a metric."""

    name: str  # a key of METRICS
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)  # those of the metric; `database` if not the run's

    def __post_init__(self) -> None:
        wanted = METRICS[self.name].labels
        if set(self.labels) - {"database"} != set(wanted):
            raise ValueError(f"{self.name} has the labels {wanted}, not {tuple(self.labels)}")
