"""``plumbline demo``: start everything, send the cohort as a modality would, show the worklist, score it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from plumbline.demo.figures import write_figures
from plumbline.demo.ordering import send_orders
from plumbline.demo.patients import WrittenExam, WrittenPatient, write_cohort
from plumbline.demo.ports import DemoPorts, free_ports, refuse_ports_in_use
from plumbline.demo.real_input import real_patients
from plumbline.demo.scoring import Verdict, judge_patient
from plumbline.demo.sending import send
from plumbline.demo.stack import Stack, running_stack
from plumbline.demo.watching import Watch
from plumbline.result_text import PRIORITY_STYLES
from plumbline.settings import Settings

COHORT_CACHE = Path("build/cohort")
WAIT_S = 900.0
MODALITIES = 4
"""How many exams are sent at a time; one association alone mostly waits for acknowledgements."""


@dataclass(frozen=True)
class DemoOutcome:
    """What the demonstration came to."""

    verdicts: tuple[Verdict, ...]
    figures: dict[str, float | int]

    @property
    def is_as_expected(self) -> bool:
        """Whether every patient's outcome is right."""
        return not any(verdict.problems for verdict in self.verdicts)


def run_demo(directory: Path, *, once: bool, choose_free_ports: bool, console: Console) -> bool:
    """Run the demonstration; return whether everything was as expected.

    Raises
    ------
    Misconfigured, Unavailable
        When a port is taken, a program is missing, or a process does not start.
    """
    ports = free_ports() if choose_free_ports else DemoPorts()
    refuse_ports_in_use(ports)
    began = time.monotonic()
    patients = _prepare(console)
    rendered_s = time.monotonic() - began
    shutil.rmtree(directory, ignore_errors=True)
    with running_stack(directory.resolve(), ports, _telling(console, "Starting")) as stack:
        outcome = _show_and_score(stack, patients, console, began_s=time.monotonic())
        figures = {**outcome.figures, "rendering_s": round(rendered_s, 1)}
        path = write_figures("path", figures)
        console.print(f"Figures: {path}", highlight=False)
        if not once:
            _stay(stack, console)
    return outcome.is_as_expected


def _prepare(console: Console) -> tuple[WrittenPatient, ...]:
    with _bar(console) as bar:
        task = bar.add_task("Virtual patients", total=None)
        virtual = write_cohort(COHORT_CACHE, lambda done, total: bar.update(task, completed=done, total=total))
        real = real_patients(COHORT_CACHE)
    if not real:
        console.print("No real images beside this checkout; virtual patients only.", style="dim")
    return (*virtual, *real)


def _telling(console: Console, verb: str) -> Callable[[str], None]:
    return lambda name: console.print(f"{verb} {name}", style="dim")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _show_and_score(
    stack: Stack, patients: Sequence[WrittenPatient], console: Console, *, began_s: float
) -> DemoOutcome:
    settings = Settings(data_dir=stack.directory / "data")
    watch = Watch(settings.store_url, stack.worklist_url, stack.orthanc_url)
    _send_and_wait(stack, watch, patients, console)
    verdicts = tuple(judge_patient(each, watch) for each in patients)
    _print_worklist(watch, console)
    _print_verdicts(verdicts, console)
    waited = [watch.waited(each.exams[-1].exam.header.study_instance_uid) for each in patients]
    alone = waited[0]
    figures = {
        "patients": len(patients),
        "patients_wrong": sum(bool(each.problems) for each in verdicts),
        "last_instance_to_priority_s": round(alone.priority_s or -1.0, 2),
        "provisional_s": round(alone.provisional_s or -1.0, 2),
        "worst_last_instance_to_priority_s": round(max(each.priority_s or 0.0 for each in waited), 2),
        "worst_provisional_s": round(max(each.provisional_s or 0.0 for each in waited), 2),
        "worst_translation_error_mm": round(max(each.worst_error_mm or 0.0 for each in verdicts), 3),
        "demo_s": round(time.monotonic() - began_s, 1),
    }
    return DemoOutcome(verdicts, figures)


def _send_and_wait(stack: Stack, watch: Watch, patients: Sequence[WrittenPatient], console: Console) -> None:
    """Orders, earlier exams, then the follow-ups: the first one alone, so that its times are of one exam."""
    send_orders(patients, port=stack.ports.hl7)
    earlier = [exam for patient in patients for exam in patient.exams[:-1]]
    first, *others = [patient.exams[-1] for patient in patients]
    with _bar(console) as bar:
        for name, exams in (
            ("Earlier exams", earlier),
            ("First follow-up", [first]),
            ("Other follow-ups", others),
        ):
            _send_group(stack, watch, name, exams, bar)


def _send_group(stack: Stack, watch: Watch, name: str, exams: Sequence[WrittenExam], bar: Progress) -> None:
    sending = bar.add_task(f"{name} sent", total=len(exams))
    with ThreadPoolExecutor(max_workers=MODALITIES) as modalities:
        for _ in modalities.map(lambda exam: send(exam.parts[0], port=stack.ports.orthanc_dicom), exams):
            bar.advance(sending)
    waiting = bar.add_task(f"{name} done", total=len(exams))
    _wait(stack, watch, [(exam, 1) for exam in exams], bar, waiting)
    for exam in exams:
        for revision, part in enumerate(exam.parts[1:], start=2):
            send(part, port=stack.ports.orthanc_dicom)
            _wait(stack, watch, [(exam, revision)], bar, waiting)


def _wait(stack: Stack, watch: Watch, wanted: Sequence[tuple[WrittenExam, int]], bar: Progress, task: object) -> None:
    watch.wait(
        [(exam.exam.header.study_instance_uid, revision) for exam, revision in wanted],
        timeout_s=WAIT_S,
        progress=lambda done: bar.update(task, completed=done),  # type: ignore[arg-type]
        still_alive=stack.group.refuse_dead,
    )


def _print_worklist(watch: Watch, console: Console) -> None:
    table = Table("Priority", "Patient", "Exam", "Why", title="Worklist", title_justify="left", show_lines=True)
    for each in watch.entries():
        table.add_row(
            f"[{PRIORITY_STYLES[each['priority']]}] {each['priority']} [/]",
            each["patient_name"],
            f"{each['exam']} {each['exam_date'] or ''}",
            "\n".join(each["reasons"]),
        )
    console.print(table)


def _print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    table = Table("Patient", "Exam", "Priority", "Found", "Error", "As expected", title="Against the truth")
    for each in verdicts:
        error = "" if each.worst_error_mm is None else f"{each.worst_error_mm:.2f} mm"
        told = "[green]yes[/]" if not each.problems else f"[red]{'; '.join(each.problems)}[/]"
        table.add_row(each.name, each.outcome, each.priority, each.found, error, told)
    console.print(table)


def _stay(stack: Stack, console: Console) -> None:
    console.print(f"Worklist: [bold]{stack.worklist_url}/[/]   Orthanc: {stack.orthanc_url}/   Ctrl-C ends everything.")
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            stack.group.refuse_dead()
            time.sleep(1.0)
    except KeyboardInterrupt:
        console.print("Ending.")
    finally:
        signal.signal(signal.SIGTERM, previous)
