"""The cohort as DICOM files on disk, rendered once and kept; the cache is keyed by what the pictures are made from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Protocol

from plumbline.phantom.cohort import SEED, VirtualExam, VirtualPatient, cohort
from plumbline.phantom.ct_files import ExamHeader, ct_files
from plumbline.phantom.sample import picture_key

COMPLETE_MARK = "complete"
TRUNCATED_SHARE = 0.6
_DESCRIBING = ("cohort.py", "ct_files.py")
"""Modules of the phantom that say who is drawn and what is written beside the picture."""


class SendableExam(Protocol):
    """What sending and scoring need of an exam, virtual or real."""

    @property
    def header(self) -> ExamHeader:
        """Who, when and why."""
        ...

    @property
    def parts(self) -> int:
        """In how many goes it is sent."""
        ...


@dataclass(frozen=True)
class WrittenExam:
    """An exam and its files, in the order in which they are sent."""

    exam: SendableExam
    files: tuple[Path, ...]

    @property
    def parts(self) -> tuple[tuple[Path, ...], ...]:
        """The goes in which it is sent."""
        size = -(-len(self.files) // self.exam.parts)
        return tuple(self.files[start : start + size] for start in range(0, len(self.files), size))


@dataclass(frozen=True)
class WrittenPatient:
    """A patient whose exams are on disk."""

    patient: VirtualPatient
    exams: tuple[WrittenExam, ...]
    is_real: bool = False
    """Whether the anatomy is of a real CT."""


def write_cohort(
    cache: Path, progress: Callable[[int, int], None], *, names: Iterable[str] | None = None, seed: int = SEED
) -> tuple[WrittenPatient, ...]:
    """Write the exams that are not in the cache yet, in as many processes as there are cores.

    Parameters
    ----------
    progress
        Told (exams written, exams in all) after each.
    names
        Only these patients; all by default.
    """
    patients = [each for each in cohort(seed) if names is None or each.name in set(names)]
    exams = [(patient.name, exam.role) for patient in patients for exam in patient.exams]
    base = cache / fingerprint(seed)
    missing = [each for each in exams if not (base / "-".join(each) / COMPLETE_MARK).exists()]
    progress(len(exams) - len(missing), len(exams))
    if missing:
        with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, len(missing))) as pool:
            running = [pool.submit(_write_exam, base, seed, *each) for each in missing]
            for done, finished in enumerate(as_completed(running), start=len(exams) - len(missing) + 1):
                finished.result()
                progress(done, len(exams))
    return tuple(
        WrittenPatient(patient, tuple(_written(base, patient, exam) for exam in patient.exams)) for patient in patients
    )


def fingerprint(seed: int) -> str:
    """Changes with the seed, with who is in the cohort, with what their files say and with how pictures look."""
    digest = hashlib.sha256(f"{seed}/{picture_key()}".encode())
    for name in _DESCRIBING:
        digest.update((resources.files("plumbline.phantom") / name).read_bytes())
    return digest.hexdigest()[:16]


def _written(base: Path, patient: VirtualPatient, exam: VirtualExam) -> WrittenExam:
    return WrittenExam(exam, tuple(sorted((base / f"{patient.name}-{exam.role}").glob("*.dcm"))))


@lru_cache(maxsize=1)
def _patient(seed: int, name: str) -> VirtualPatient:
    """The last patient asked for is kept with the bones, which take a fifth of an exam's time."""
    return next(each for each in cohort(seed) if each.name == name)


def _write_exam(base: Path, seed: int, name: str, role: str) -> None:
    """Render and write one exam; a folder without its mark is begun again."""
    exam = next(each for each in _patient(seed, name).exams if each.role == role)
    folder = base / f"{name}-{role}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, dataset in enumerate(ct_files(exam.volume(), exam.header)):
        path = folder / f"{number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        if number in exam.truncated:
            content = path.read_bytes()
            path.write_bytes(content[: int(len(content) * TRUNCATED_SHARE)])
    (folder / COMPLETE_MARK).touch()
