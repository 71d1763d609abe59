"""Precision and recall of the reader of spine text on labelled lines, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from plumbline.exams.facts import SourceKind
from plumbline.exams.spine_text import SpineText, read_spine_text

LINES_DIR = Path(__file__).parents[1] / "data" / "spine_text"
WRITTEN = date(2026, 6, 1)
HELD_OUT = ("held_out", "held_out_2", "held_out_3")
"""Sets that were read before the reader had been changed for them; the figures of the contract are of the first."""
FIELDS = ("levels", "procedures", "side", "tense", "red_flags", "surgery")


@dataclass
class Tally:
    """Counts of one field: right, invented and missed facts, and the lines where it went wrong."""

    right: int = 0
    invented: int = 0
    missed: int = 0
    wrong_lines: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Share of what was read that is so."""
        return self.right / (self.right + self.invented) if self.right + self.invented else 1.0

    @property
    def recall(self) -> float:
        """Share of what is so that was read."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def labelled_lines(name: str) -> list[dict[str, Any]]:
    """The lines of ``tuning`` or of a held-out set."""
    text = (LINES_DIR / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def tally(lines: list[dict[str, Any]]) -> dict[str, Tally]:
    """Counts by field over labelled lines, with ``all`` over all fields."""
    tallies = {name: Tally() for name in (*FIELDS, "all")}
    for line in lines:
        read = read_spine_text(line["text"], source=SourceKind.ORDER, reference_date=WRITTEN)
        for name, expected, found in _facts(line, read):
            for one in (tallies[name], tallies["all"]):
                one.right += len(expected & found)
                one.invented += len(found - expected)
                one.missed += len(expected - found)
                if expected != found:
                    one.wrong_lines.append(f"{line['text']!r}: {name} {sorted(found)}, should be {sorted(expected)}")
    return tallies


def _facts(line: dict[str, Any], read: SpineText) -> Iterator[tuple[str, set[str], set[str]]]:
    yield "levels", set(line["levels"]), {level.name for level in read.levels}
    yield "procedures", set(line["procedures"]), set(read.procedures)
    yield "side", {side for side in (line["side"],) if side}, {side for side in (read.side,) if side}
    yield "tense", {line["tense"]} - {"unstated"}, {read.tense.value} - {"unstated"}
    yield "red_flags", set(line["red_flags"]), {flag.value for flag in read.red_flags}
    yield "surgery", *_dates(line["surgery"], read)


def _dates(expected: list[str], read: SpineText) -> tuple[set[str], set[str]]:
    """A date is right when the interval read holds it and is no wider than what was written can mean."""
    when = read.surgery_date
    if when is None:
        return set(expected), set()
    if expected and all(when.earliest <= date.fromisoformat(day) <= when.latest for day in expected):
        return set(expected), set(expected)
    return set(expected), {f"{when.earliest.isoformat()}..{when.latest.isoformat()}"}


def table(tallies: dict[str, Tally]) -> str:
    """For people: one line a field."""
    head = f"{'field':<12}{'right':>7}{'invented':>10}{'missed':>8}{'precision':>11}{'recall':>8}"
    rows = [
        f"{name:<12}{one.right:>7}{one.invented:>10}{one.missed:>8}{one.precision:>11.3f}{one.recall:>8.3f}"
        for name, one in tallies.items()
    ]
    return "\n".join([head, *rows])
