"""Prometheus, its alerts and the Grafana dashboards: valid, and about metrics that exist."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from plumbline.testing import ManualClock, MemoryWorkitems
from services.worklist_api.metrics import WorklistStanding
from services.worklist_api.standing import StoreStanding

HOUSE = Path(__file__).parents[3]
REFERENCE = runpy.run_path(str(HOUSE / "scripts/dashboards.py"))
DASHBOARDS = sorted((HOUSE / "deploy/grafana/dashboards").glob("*.json"))
SUFFIXES = re.compile(r"_(bucket|sum|count|total)$")
SERIES = re.compile(r"(plumbline_\w+)(?:\{([^}]*)\})?")
"""A metric in PromQL with its matchers."""
GROUPED = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")
OF_PROMETHEUS = {"le", "job", "instance"}

Exposed = Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def exposed() -> Exposed:
    """Every metric that the processes of deploy/processes.toml register, with its labels: asked of their modules."""
    for module in PROCESS_MODULES:
        importlib.import_module(module)
    found = {
        family: labels for collector in list(REGISTRY._collector_to_names) for family, labels in _described(collector)
    }
    site = Standing()
    for collector in (WorklistStanding(site.worklist, site.clock.now()), site.store_standing):
        found |= {family.name: frozenset(family._labelnames) for family in collector.collect()}
    return {name: labels for name, labels in found.items() if name.startswith("plumbline_")}


PROCESS_MODULES = (
    "services.dicom_listener.app",
    "services.dispatcher.app",
    "services.hl7_listener.app",
    "services.worklist_api.app",
    "workers.app",
)


class Standing:
    """The collectors that the API makes anew for each question, on nothing."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.worklist = MemoryWorkitems(self.clock)
        nothing = SimpleNamespace(queues=list, exams=dict, backlog=list, all=dict)
        self.store_standing = StoreStanding(nothing, nothing, nothing, {"path": 1.0}, self.clock)  # type: ignore[arg-type]


def _described(collector: object) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(collector, MetricWrapperBase):
        yield collector._name, frozenset(collector._labelnames)


def faults(query: str, exposed: Exposed) -> list[str]:
    """Metrics and labels of a PromQL expression that nothing exposes."""
    wrong: list[str] = []
    labels = set(OF_PROMETHEUS)
    for name, matchers in SERIES.findall(query):
        family = SUFFIXES.sub("", name)
        if family not in exposed:
            wrong.append(f"there is no metric {name}")
            continue
        labels |= exposed[family]
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        wrong += [f"{name} has no label {label}" for label in asked - exposed[family] - OF_PROMETHEUS]
    grouped = {label.strip() for group in GROUPED.findall(query) for label in group.split(",")}
    return wrong + [f"no metric in it has the label {label}" for label in grouped - labels]


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
def test_every_query_is_about_metrics_and_labels_that_the_processes_expose(
    where: str, query: str, exposed: Exposed
) -> None:
    assert faults(query, exposed) == [], where


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("rate(plumbline_of_old_total[5m])", "there is no metric plumbline_of_old_total"),
        ('plumbline_queue_due{name="path"}', "plumbline_queue_due has no label name"),
        ("sum by (patient) (plumbline_queue_due)", "no metric in it has the label patient"),
        ('plumbline_steps_total{outcome="failed", stage=~"a|b"}', "plumbline_steps_total has no label stage"),
    ],
)
def test_a_metric_or_label_that_was_renamed_is_noticed(query: str, fault: str, exposed: Exposed) -> None:
    assert faults(query, exposed) == [fault]


def test_every_metric_is_shown_on_a_dashboard_or_watched(exposed: Exposed) -> None:
    shown = {SUFFIXES.sub("", name) for _, query in queries() for name, _ in SERIES.findall(query)}
    assert exposed.keys() - shown == {"plumbline_hl7_exams_told", "plumbline_listener_associations"}


@pytest.mark.parametrize("dashboard", REFERENCE["DASHBOARDS"], ids=lambda each: each.name)
def test_dashboards_are_as_their_description_says(dashboard: object) -> None:
    assert REFERENCE["_written"](dashboard) == REFERENCE["document"](dashboard), "run scripts/dashboards.py"


def test_there_is_a_dashboard_for_everybody_who_watches() -> None:
    assert {path.stem for path in DASHBOARDS} == {"flow", "clinical", "listener", "workers", "destinations"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_has_an_entry_in_the_runbook(alert: dict, house: Path) -> None:
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor == alert["alert"].lower()
    assert re.search(rf"^#+ {alert['alert']}$", (house / path).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("check config", "prometheus.yml"),
        ("check config", "kubernetes.yml"),
        ("check rules", "alerts.yml"),
        ("test rules", "alerts_test.yml"),
    ],
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
