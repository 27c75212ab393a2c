"""Metrics of one-shot jobs stay where other jobs put theirs, and a failure keeps the last success."""

from __future__ import annotations

import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.operations.events import Event, EventType
from services.operations.figures import MetricSample
from services.operations.metrics import push, run_figures, series, write

AT = datetime(2026, 3, 10, 2, 0, 12, tzinfo=UTC)


def read(path: Path) -> dict[tuple[str, str, str], float]:
    """Values by metric, job and database."""
    return {
        (sample.name, sample.labels.get("job_name", ""), sample.labels["database"]): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def record(path: Path, event: Event) -> None:
    write(path, series(run_figures(event), [event.database]))


def test_the_jobs_and_databases_of_one_file_keep_their_own_values(tmp_path: Path) -> None:
    path = tmp_path / "shoreline.prom"
    record(
        path,
        Event(EventType.SUCCESS, "backup", "a", AT, seconds=3, figures=(MetricSample("shoreline_backup_rows", 7),)),
    )
    record(path, Event(EventType.SUCCESS, "backup", "b", AT, seconds=4))
    record(path, Event(EventType.SUCCESS, "drill", "a", AT, seconds=5))
    found = read(path)
    assert found["shoreline_run_duration_seconds", "backup", "a"] == 3
    assert found["shoreline_run_duration_seconds", "backup", "b"] == 4
    assert found["shoreline_run_duration_seconds", "drill", "a"] == 5
    assert found["shoreline_backup_rows", "", "a"] == 7


def test_a_failure_keeps_the_last_success_and_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "shoreline.prom"
    record(path, Event(EventType.SUCCESS, "backup", "a", AT, figures=(MetricSample("shoreline_backup_rows", 7),)))
    record(path, Event(EventType.FAILURE, "backup", "a", AT + timedelta(days=1), exit_code=4))
    found = read(path)
    assert found["shoreline_last_success_timestamp_seconds", "backup", "a"] == AT.timestamp()
    assert found["shoreline_run_timestamp_seconds", "backup", "a"] == AT.timestamp() + 86400
    assert found["shoreline_run_success", "backup", "a"] == 0
    assert found["shoreline_run_exit_code", "backup", "a"] == 4
    assert found["shoreline_backup_rows", "", "a"] == 7


def test_many_jobs_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shoreline.prom"
    events = [Event(EventType.SUCCESS, "backup", f"db{number}", AT, seconds=number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: record(path, event), events))
    found = read(path)
    assert all(found["shoreline_run_duration_seconds", "backup", f"db{number}"] == number for number in range(40))


def test_a_file_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "shoreline.prom"
    path.write_text("no metrics {{{")
    record(path, Event(EventType.SUCCESS, "backup", "a", AT, seconds=1))
    assert read(path)["shoreline_run_success", "backup", "a"] == 1


def test_a_figure_without_its_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="table"):
        MetricSample("shoreline_lake_rows", 1)


@pytest.mark.parametrize(("written", "meant"), [("m%40x:p%3Ass%2Fw%25", "m@x:p:ss/w%"), ("me:plain", "me:plain")])
def test_the_gateway_is_given_the_user_and_password_that_its_url_means(written: str, meant: str) -> None:
    given: list[str | None] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        push(f"http://{written}@127.0.0.1:{server.server_port}", {}, "backup", "a")
        thread.join(10)
    assert given == ["Basic " + b64encode(meant.encode()).decode()]
