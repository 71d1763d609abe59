"""A result document as text for a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PRIORITY_STYLES = {"STAT": "bold white on red", "URGENT": "bold black on yellow", "ROUTINE": "bold black on green"}
STATUS_STYLES = {"positive": "bold red", "failed": "bold red", "indeterminate": "yellow", "negative": "green"}
UNITS = {"mm": "mm", "deg": "°"}


def print_result(document: Mapping[str, Any], console: Console) -> None:
    """Print priority, findings with their measurements, and the references with their reasons."""
    triage = document["triage"]
    console.print(Text(f" {triage['priority']} ", style=PRIORITY_STYLES[triage["priority"]]))
    for reason in triage["reasons"]:
        console.print(f"  {reason}", highlight=False)
    console.print(_findings(document["findings"]))
    console.print(_references(document))
    numbering = document["current"]["numbering"]
    levels = ", ".join(document["current"]["levels_in_view"]) or "none recognised"
    console.print(f"Levels in view: {levels} (anchor {numbering['anchor'] or 'none'})", highlight=False)
    if numbering["conflict"]:
        console.print(f"[yellow]{numbering['conflict']}[/]", highlight=False)
    for warning in document.get("warnings", ()):
        console.print(f"[yellow]{warning}[/]", highlight=False)
    if document["report"]["sr"]:
        console.print(f"Report: {document['report']['sr']}", highlight=False)


def measurement_text(key: str, value: float, uncertainty_95: float) -> str:
    """A measurement in words, e.g. ``translation posterior 3.1 ± 0.4 mm``."""
    name, _, unit = key.rpartition("_")
    return f"{name.replace('_', ' ')} {value:.1f} ± {uncertainty_95:.1f} {UNITS.get(unit, unit)}"


def _findings(findings: list[Mapping[str, Any]]) -> Table:
    table = Table("Check", "Level", "Status", "What was found", title="Findings", title_justify="left", expand=True)
    for finding in findings:
        measured = [
            measurement_text(key, each["value"], each["uncertainty_95"])
            for key, each in finding["measurements"].items()
        ]
        table.add_row(
            finding["check"],
            finding["level"] or "",
            Text(finding["status"], style=STATUS_STYLES.get(finding["status"], "")),
            "\n".join([*finding["reasons"], *measured]),
        )
    return table


def _references(document: Mapping[str, Any]) -> Table:
    table = Table("Role", "Study Instance UID", "Why", title="References", title_justify="left", expand=True)
    for each in [*document["references"], *document.get("considered", ())]:
        table.add_row(each["role"] or "not used", each["study_instance_uid"], "\n".join(each["reasons"]))
    for role, sentence in document.get("missing", {}).items():
        table.add_row(role, "none", sentence)
    return table
