"""``python -m tests.faults.campaign``: run a campaign, print what is struck and a table, write its figures."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from plumbline.demo.figures import write_figures
from tests.faults.campaign.campaign import Campaign, Outcome, Terms
from tests.faults.campaign.patients import Kind

BUILD = Path("build")
SEED, EXAMS = 1, 100
STRIKES_S_PER_EXAM, SHORTEST_STRIKES_S = 3.6, 150.0
MINUTES = 35.0
SHOW_EVERY = 10
"""A line of progress for so many exams that have ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one campaign; 1 where anything is lost, doubled, stuck or not visible."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    strikes_s = options.strikes_s or max(SHORTEST_STRIKES_S, STRIKES_S_PER_EXAM * options.exams)
    terms = Terms(seed=options.seed, exams=options.exams, strikes_s=strikes_s, limit_s=60.0 * options.minutes)
    folder = (BUILD / "faults" / f"seed-{options.seed}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    campaign = Campaign(
        terms, folder, lambda at_s, line: console.print(f"{at_s:7.1f} s  {line}", soft_wrap=True), _Progress(console)
    )
    outcome = campaign.run(BUILD / "cohort")
    _print(outcome, console)
    console.print(f"Figures: {write_figures('faults', outcome.figures)}")
    if outcome.is_good:
        _keep_logs_only(folder)
    else:
        console.print(f"Logs: {folder / 'logs'}", style="red")
    return 0 if outcome.is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="decides what is struck when, and the order of exams")
    parser.add_argument("--exams", type=int, default=EXAMS, help="how many exams are sent, 10 at least")
    parser.add_argument("--strikes-s", type=float, help="length of the time in which faults are struck")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long it may last; more on a busy machine")
    return parser


class _Progress:
    """Prints a line whenever some more exams have ended."""

    def __init__(self, console: Console) -> None:
        self._console, self._shown = console, -1

    def __call__(self, sent: int, ended: int, total: int) -> None:
        if ended // SHOW_EVERY != self._shown // SHOW_EVERY or (ended == total and self._shown != total):
            self._shown = ended
            self._console.print(f"           {sent} of {total} exams sent, {ended} have come to an end", style="dim")


def _print(outcome: Outcome, console: Console) -> None:
    struck = Table("Struck", "Times", title=f"Seed {outcome.terms.seed}", title_justify="left")
    for name, times in sorted(outcome.struck.items()):
        struck.add_row(name, str(times))
    struck.add_row("messages delivered twice", str(outcome.messages_doubled))
    console.print(struck)
    table = Table("Kind", "Exams", "Ended as", "Reports", "Current", "Readings", "Wrong", title_justify="left")
    for kind in Kind:
        mine = [each for each in outcome.verdicts if each.exam.kind is kind]
        states = Counter(each.found.state or "absent" for each in mine)
        table.add_row(
            kind.value,
            str(len(mine)),
            ", ".join(f"{state} {count}" for state, count in states.items()),
            str(sum(each.found.reports for each in mine)),
            str(sum(each.found.current_reports for each in mine)),
            str(sum(len(each.found.readings) for each in mine)),
            str(sum(each.wrong is not None for each in mine)),
        )
    console.print(table)
    for each in outcome.verdicts:
        if each.wrong:
            console.print(
                f"{each.wrong.value}: {each.exam.study_instance_uid} ({each.exam.kind.value}): {each.sentence}"
            )
    for name, times in outcome.ended_alone.items():
        console.print(f"{name} ended by itself {times} times and was started again", style="yellow")
    said = "is visible as failed" if outcome.is_poison_visible else "is NOT visible as failed"
    console.print(f"The poison exam {said}; the system is {'' if outcome.is_ready else 'NOT '}ready at the end.")


def _keep_logs_only(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and each.name != "logs":
            shutil.rmtree(each, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
