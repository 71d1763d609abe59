"""Displacement, findings and time on the cohort's pairs at full size, without the archive: ``make bench-pairs``.

Prints a table and writes ``build/figures/pairs.json``. The truth is used for scoring only.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from plumbline.demo.figures import write_figures
from plumbline.demo.patients import WrittenPatient, write_cohort
from plumbline.demo.run import COHORT_CACHE
from plumbline.demo.scoring import AXES
from plumbline.folder_comparison import ComparisonRequest, compare_folders


def measured(written: WrittenPatient) -> tuple[dict, float]:
    """Result document of a patient's last exam against the exam before, and seconds taken."""
    folders = {exam.exam.role: exam.files[0].parent for exam in written.exams}
    began = time.perf_counter()
    outcome = compare_folders(
        ComparisonRequest(current=folders["current"], baseline=folders.get("baseline"), planned="L4-L5 TLIF")
    )
    return outcome.document, time.perf_counter() - began


def main() -> None:
    """Run the benchmark."""
    console = Console()
    with console.status("Virtual patients") as status:
        patients = write_cohort(COHORT_CACHE, lambda done, total: status.update(f"Virtual patients {done}/{total}"))
    table = Table("Patient", "Truth (P, C, L) mm", "Measured mm", "Largest error mm", "Migration", "Level", "Seconds")
    errors, seconds, wrong = [], [], 0
    for written in patients:
        truth = written.patient.expectation.translation_mm
        if truth is None or len(written.exams) < 2:
            continue
        document, took = measured(written)
        found = {each["check"]: each for each in document["findings"]}
        migration = found["spacer-migration"]
        values = [migration["measurements"].get(axis, {}).get("value") for axis in AXES]
        seconds.append(took)
        wanted = written.patient.expectation.statuses["spacer-migration"]
        wrong += migration["status"] not in wanted
        error = None
        if None not in values:
            error = max(abs(value - true) for value, true in zip(values, truth, strict=True))
            errors.append(error)
        table.add_row(
            written.patient.name,
            str(truth),
            str(values),
            "" if error is None else f"{error:.2f}",
            migration["status"],
            f"{found['level-error']['status']} {found['level-error']['level'] or ''}",
            f"{took:.1f}",
        )
    console.print(table)
    figures = {
        "pairs": len(seconds),
        "measured": len(errors),
        "migration_wrong": wrong,
        "worst_axis_error_mm": round(max(errors, default=-1.0), 3),
        "pair_s_median": round(sorted(seconds)[len(seconds) // 2], 2),
        "pair_s_worst": round(max(seconds), 2),
    }
    console.print(f"Figures: {write_figures('pairs', figures)}")


if __name__ == "__main__":
    main()
