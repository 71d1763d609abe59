"""Write deploy/grafana/dashboards: what each panel asks and why, laid out two to a row.

``python scripts/dashboards.py`` writes them; ``tests/unit/house`` tells where one is not current.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "plumbline"}
WIDTH, HEIGHT, PER_ROW = 12, 8, 2


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: queries with their legends, and a sentence that says what to see in it."""

    title: str
    says: str
    unit: str
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page of Grafana."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def rate(metric: str, by: str, where: str = "", per_s: int = 1) -> tuple[tuple[str, str], ...]:
    """Increase of a counter in a second, or in ``per_s`` seconds, one line for each value of a label."""
    factor = "" if per_s == 1 else f" * {per_s}"
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return ((f"sum by ({by}) (rate({metric}{where}[$__rate_interval])){factor}", legend),)


def quantiles(metric: str, by: str = "", *shares: float) -> tuple[tuple[str, str], ...]:
    """Quantiles of a histogram, 95 % where none are named, one line for each value of a label."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    found = f"sum by ({labels}) (rate({metric}_bucket[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {found})", f"{legend}{q * 100:g} %") for q in shares or (0.95,))


def now(metric: str, by: str, where: str = "") -> tuple[tuple[str, str], ...]:
    """What the store says now; every process of the API says the same, so the maximum and not the sum."""
    return ((f"max by ({by}) ({metric}{where})", " ".join(f"{{{{{label}}}}}" for label in by.split(", "))),)


HOUR = 3600

DASHBOARDS = (
    Dashboard(
        "flow",
        "The path of an exam",
        (
            Panel(
                "Time to the final priority",
                "From the last instance received to the priority that stays.",
                "s",
                quantiles("plumbline_priority_seconds", "", 0.5, 0.95),
            ),
            Panel(
                "Time to the provisional priority",
                "From the last instance received to the first priority, from order and header alone.",
                "s",
                quantiles("plumbline_provisional_priority_seconds", "", 0.5, 0.95),
            ),
            Panel(
                "Exams by outcome",
                "Exams an hour.",
                "short",
                rate("plumbline_exams_total", "outcome", per_s=HOUR),
            ),
            Panel(
                "Exams in each state",
                "A hill of 'receiving' or 'complete' is work that waits; 'failed' waits for a person.",
                "short",
                now("plumbline_exams_in_state", "state"),
            ),
            Panel(
                "Oldest step that waits for a worker",
                "From the database, so also right when the broker was emptied.",
                "s",
                now("plumbline_queue_oldest_seconds", "queue"),
            ),
            Panel(
                "Silence of the canaries",
                "Time since a message without an exam came through each queue. Above its limit nothing is ready.",
                "s",
                (
                    ("min by (queue) (plumbline_canary_silence_seconds)", "{{queue}}"),
                    ("max by (queue) (plumbline_canary_limit_seconds)", "{{queue}} limit"),
                ),
            ),
            Panel(
                "Steps that did not go through",
                "An hour. 'retried' is repeated by itself, 'failed' is not.",
                "short",
                rate("plumbline_steps_total", "outcome", '{outcome=~"failed|retried|lost"}', HOUR),
            ),
            Panel("Time spent in a step", "95 % stay below.", "s", quantiles("plumbline_step_seconds", "step")),
            Panel(
                "Worklist",
                "Readings that nobody has begun, by priority.",
                "short",
                now("plumbline_worklist_workitems", "priority", '{state="SCHEDULED"}'),
            ),
            Panel(
                "Oldest waiting workitem",
                "How long the oldest reading of each priority has waited for a reader.",
                "s",
                now("plumbline_worklist_oldest_seconds", "priority"),
            ),
        ),
    ),
    Dashboard(
        "clinical",
        "Plumbline: clinical",
        (
            Panel(
                "Exams with a baseline",
                "Share of matched exams of the last hour that had a valid baseline to be compared with.",
                "percentunit",
                (
                    (
                        'sum(increase(plumbline_exams_matched_total{baseline="yes"}[1h]))'
                        " / sum(increase(plumbline_exams_matched_total[1h]))",
                        "with a baseline",
                    ),
                ),
            ),
            Panel(
                "Positive findings",
                "Findings an hour that something is not as it should be. A jump of one check without one of the exams "
                "is more likely a change of protocol than of patients.",
                "short",
                rate("plumbline_findings_total", "check", '{status="positive"}', HOUR),
            ),
            Panel(
                "Findings by status",
                "An hour, all checks together.",
                "short",
                rate("plumbline_findings_total", "status", per_s=HOUR),
            ),
            Panel(
                "Abstentions",
                "Findings an hour that a check could not decide or that failed.",
                "short",
                rate("plumbline_abstentions_total", "check, status", per_s=HOUR),
            ),
            Panel(
                "Share of abstentions",
                "By check, of the findings that apply.",
                "percentunit",
                (
                    (
                        "sum by (check) (increase(plumbline_abstentions_total[6h]))"
                        ' / sum by (check) (increase(plumbline_findings_total{status!="not-applicable"}[6h]))',
                        "{{check}}",
                    ),
                ),
            ),
            Panel(
                "Readings by priority",
                "Everything on the worklist, whatever its state.",
                "short",
                (("sum by (priority) (max by (priority, state) (plumbline_worklist_workitems))", "{{priority}}"),),
            ),
            Panel("Time spent in a check", "95 % stay below.", "s", quantiles("plumbline_check_seconds", "check")),
            Panel(
                "Orders and merges",
                "HL7 messages an hour; without orders the operations are only known from headers.",
                "short",
                rate("plumbline_hl7_messages_total", "kind, outcome", per_s=HOUR),
            ),
        ),
    ),
    Dashboard(
        "listener",
        "Plumbline: listener",
        (
            Panel("Instances received", "A second.", "short", rate("plumbline_listener_instances_total", "status")),
            Panel("Bytes received", "By sender.", "Bps", rate("plumbline_listener_bytes_total", "sender")),
            Panel(
                "Time to answer an instance",
                "From its last byte to Success: the disk decides.",
                "s",
                quantiles("plumbline_listener_instance_seconds", "", 0.5, 0.95, 0.99),
            ),
            Panel(
                "Open associations",
                "By sender.",
                "short",
                (("sum by (sender) (plumbline_listener_open_associations)", "{{sender}}"),),
            ),
            Panel(
                "Associations not accepted",
                "An hour, by reason.",
                "short",
                rate("plumbline_listener_rejected_associations_total", "sender, reason", per_s=HOUR),
            ),
            Panel(
                "Set aside in quarantine",
                "Instances an hour that cannot be used, by sender and reason.",
                "short",
                rate("plumbline_listener_quarantined_total", "sender, reason", per_s=HOUR),
            ),
            Panel(
                "Brought into the ledger",
                "Journal entries a second. Less than what is received for long: the indexer or the database is slow.",
                "short",
                rate("plumbline_listener_indexed_total", "outcome"),
            ),
            Panel(
                "Fetched by the reconciler",
                "Instances an hour that the archive had and that never arrived, and those that it cannot give.",
                "short",
                rate("plumbline_reconciled_instances_total", "outcome", per_s=HOUR),
            ),
            Panel(
                "Room in the spool",
                "Free and used. At listener.reserve_bytes of free room senders are refused.",
                "bytes",
                (
                    ("min(plumbline_listener_spool_free_bytes)", "free"),
                    ("max(plumbline_listener_spool_used_bytes)", "used"),
                ),
            ),
            Panel(
                "HL7 connections",
                "Open now, and turned away in an hour.",
                "short",
                (
                    ("sum(plumbline_hl7_open_connections)", "open"),
                    *rate("plumbline_hl7_turned_away_total", "reason", per_s=HOUR),
                ),
            ),
            Panel(
                "HL7 connections that ended",
                "An hour, by why.",
                "short",
                rate("plumbline_hl7_connections_total", "reason", per_s=HOUR),
            ),
        ),
    ),
    Dashboard(
        "workers",
        "Plumbline: workers",
        (
            Panel("Steps that wait", "By queue.", "short", now("plumbline_queue_due", "queue")),
            Panel(
                "Steps that a worker holds",
                "As many as there are workers, for long, means that more would help.",
                "short",
                now("plumbline_queue_held", "queue"),
            ),
            Panel(
                "Workers busy",
                "Worker-seconds spent in steps, in a second: how many workers are kept busy.",
                "short",
                rate("plumbline_step_seconds_sum", "step"),
            ),
            Panel("Steps by outcome", "A minute.", "short", rate("plumbline_steps_total", "step, outcome", per_s=60)),
            Panel("Time spent in a step", "Half stay below.", "s", quantiles("plumbline_step_seconds", "step", 0.5)),
            Panel("Time spent in a check", "Half stay below.", "s", quantiles("plumbline_check_seconds", "check", 0.5)),
            Panel(
                "Round trip of the canaries",
                "From sending to the database. In the queue of measurements as long as what is being measured.",
                "s",
                now("plumbline_canary_round_trip_seconds", "queue"),
            ),
            Panel(
                "Steps that nobody was told of",
                "How long the oldest due step waits to be rung for. Rises when broker or beat stand still.",
                "s",
                now("plumbline_outbox_lag_seconds", "queue"),
            ),
            Panel(
                "Spans of traces",
                "A minute; empty where traces are off. Lost: tried in vain. Made and neither: waits, or dropped.",
                "short",
                rate("plumbline_trace_spans_total", "outcome", per_s=60),
            ),
        ),
    ),
    Dashboard(
        "destinations",
        "Plumbline: destinations",
        (
            Panel(
                "Deliveries that wait",
                "By destination.",
                "short",
                now("plumbline_deliveries_owed", "destination", '{state="waiting"}'),
            ),
            Panel(
                "Oldest delivery that waits",
                "It is tried for seven days, at most ten minutes apart.",
                "s",
                now("plumbline_delivery_oldest_seconds", "destination"),
            ),
            Panel(
                "Given up",
                "Deliveries that wait for a person: plumbline deliveries --dead.",
                "short",
                now("plumbline_deliveries_owed", "destination", '{state="dead"}'),
            ),
            Panel(
                "Attempts",
                "An hour, by destination and what came of them.",
                "short",
                rate("plumbline_deliveries_total", "destination, outcome", per_s=HOUR),
            ),
            Panel(
                "Objects that the archive or the worklist did not take",
                "An hour.",
                "short",
                rate("plumbline_publish_failures_total", "destination", per_s=HOUR),
            ),
            Panel(
                "Requests to the worklist",
                "A second, by status.",
                "short",
                rate("plumbline_api_requests_total", "status"),
            ),
            Panel(
                "Time to answer a request",
                "95 % stay below, by route.",
                "s",
                quantiles("plumbline_api_request_seconds", "route"),
            ),
            Panel(
                "FHIR resources received",
                "An hour, by kind and HTTP status.",
                "short",
                rate("plumbline_fhir_resources_total", "kind, status", per_s=HOUR),
            ),
        ),
    ),
)


def document(dashboard: Dashboard) -> str:
    """A dashboard as Grafana reads it."""
    content = {
        "uid": f"plumbline-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["plumbline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, PER_ROW)
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.says,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"showPoints": "never", "fillOpacity": 8}},
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def _path(dashboard: Dashboard) -> Path:
    return FOLDER / f"{dashboard.name}.json"


def _written(dashboard: Dashboard) -> str:
    return _path(dashboard).read_text(encoding="utf-8") if _path(dashboard).is_file() else ""


if __name__ == "__main__":
    for each in DASHBOARDS:
        _path(each).write_text(document(each), encoding="utf-8")
