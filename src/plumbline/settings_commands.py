"""``plumbline check-config`` at the command line."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from plumbline.settings_check import DEFAULT, SettingsReport, check_settings


def print_settings_check(console: Console, errors: Console, *, as_json: bool) -> bool:
    """Print the settings that count and every problem; return whether there is none."""
    report = check_settings()
    if as_json:
        console.print_json(json.dumps(asdict(report)))
    else:
        console.print(_effective(report))
        for problem in report.problems:
            errors.print(str(problem), highlight=False, markup=False, soft_wrap=True)
        console.print(_verdict(report), highlight=False)
    return not report.problems


def _effective(report: SettingsReport) -> Table:
    table = Table("Setting", "Value", "From", box=None)
    for each in report.effective:
        table.add_row(each.key, each.value, each.source, style="dim" if each.source == DEFAULT else None)
    return table


def _verdict(report: SettingsReport) -> str:
    if not report.problems:
        return "The settings are right."
    count = len(report.problems)
    return f"{count} problem{'s' if count > 1 else ''}. Put them right before anything is started."
