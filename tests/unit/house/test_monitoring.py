"""Prometheus, its alerts and the Grafana dashboards: valid, and about metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

HOUSE = Path(__file__).parents[3]
DASHBOARDS = sorted((HOUSE / "deploy/grafana/dashboards").glob("*.json"))
SUFFIXES = re.compile(r"_(bucket|sum|count|total)$")


def defined_metrics() -> set[str]:
    """Names that the code gives to metrics."""
    sources = (path for folder in ("src", "services", "workers") for path in (HOUSE / folder).rglob("*.py"))
    constructor = re.compile(
        r"(?:Counter|Gauge|Histogram|Summary|GaugeMetricFamily|CounterMetricFamily)\(\s*\"(plumbline_\w+)\""
    )
    return {name for source in sources for name in constructor.findall(source.read_text())}


def queried_metrics(query: str) -> set[str]:
    """Names of Plumbline's metrics in a PromQL expression, as the code would give them."""
    return {SUFFIXES.sub("", name) for name in re.findall(r"plumbline_\w+", query)}


def alerts() -> list[dict[str, str]]:
    groups = yaml.safe_load((HOUSE / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    for alert in alerts():
        yield f"alert {alert['alert']}", alert["expr"]
    for dashboard in DASHBOARDS:
        for panel in json.loads(dashboard.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{dashboard.stem}: {panel['title']}", target["expr"]


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_every_query_is_about_metrics_that_the_code_defines(where: str, query: str) -> None:
    assert queried_metrics(query) <= defined_metrics()


def test_a_renamed_metric_would_be_noticed() -> None:
    assert not queried_metrics("rate(plumbline_of_old_total[5m])") <= defined_metrics()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_has_an_entry_in_the_runbook(alert: dict, house: Path) -> None:
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor == alert["alert"].lower()
    assert re.search(rf"^#+ {alert['alert']}$", (house / path).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("check config", "prometheus.yml"), ("check rules", "alerts.yml"), ("test rules", "alerts_test.yml")],
)
def test_promtool_accepts_configuration_and_alerts(kind: str, name: str, house: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    outcome = subprocess.run(
        ["promtool", *kind.split(), name], cwd=house / "deploy/prometheus", capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    tests = yaml.safe_load((HOUSE / "deploy/prometheus/alerts_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for alert in alerts():
        fires = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert["alert"]}
        assert fires == {True, False}, alert["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_laid_out_without_overlap_and_read_the_provisioned_source(path: Path) -> None:
    source = yaml.safe_load((HOUSE / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    uid = source["datasources"][0]["uid"]
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["datasource"]["uid"] == uid
        taken |= cells


def test_grafana_finds_the_dashboards_where_compose_mounts_them(compose: dict) -> None:
    provider = yaml.safe_load((HOUSE / "deploy/grafana/provisioning/dashboards/plumbline.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in compose["services"]["grafana"]["volumes"]


def test_prometheus_asks_the_service_that_sums_the_metrics(compose: dict) -> None:
    configuration = yaml.safe_load((HOUSE / "deploy/prometheus/prometheus.yml").read_text())
    targets = configuration["scrape_configs"][0]["static_configs"][0]["targets"]
    assert [target.split(":")[0] in compose["services"] for target in targets] == [True]
