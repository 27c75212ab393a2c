"""The dashboard, the alert rules and the list of metrics name what jobs really tell, and all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.operations.figures import METRICS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
EXPRESSIONS = {
    "dashboard": [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]],
    "alerts": [rule["expr"] for rule in RULES],
}
_USE = re.compile(r"(shoreline_\w+)(?:\{([^}]*)\})?")


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_expression_names_metrics_and_labels_that_jobs_tell(where: str) -> None:
    for expression in EXPRESSIONS[where]:
        uses = _USE.findall(expression)
        assert uses, expression
        for name, matchers in uses:
            assert name in METRICS, expression
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
            assert labels <= {"database", *METRICS[name].labels}, expression


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for expression in EXPRESSIONS["dashboard"] for name, _ in _USE.findall(expression)}
    assert shown == set(METRICS)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_the_documented_metrics_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(shoreline_\w+)` \| (.*?) \| (.*?) \|$", (DOCS / "README.md").read_text(), re.MULTILINE)
    documented = {name: (set(re.findall(r"\w+", labels)), tells) for name, labels, tells in rows}
    assert documented == {name: ({"database", *metric.labels}, metric.help) for name, metric in METRICS.items()}
