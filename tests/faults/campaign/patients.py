"""Who is sent: virtual patients of a few anatomies, each under an identity of its own.

Rendering is dear, and nothing here is about accuracy: every exam of one kind shows one of a few small volumes,
which are rendered once and kept. To the system they are different patients.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from plumbline.demo.patients import fingerprint
from plumbline.imaging.volume import Volume
from plumbline.phantom.cohort import SEED, VirtualExam, cohort
from plumbline.phantom.ct_files import ExamHeader, ct_files

ROWS, PIXEL_MM, SLICES, SPACING_MM = 200, 0.95, 66, 2.5
"""Small enough that a hundred exams are measured in minutes, large enough that spacers are found and measured."""

COMPARED = ("Stable", "MovedBack", "WrongLevel")
ALONE, UNOPERATED, CHEST = "NoBaseline", "NeverOperated", "Chest"
COMPARED_SHARE, ALONE_SHARE = 0.24, 0.24
"""Shares of the exams that are follow-ups with a baseline (which is an exam as well), and without one."""


class Kind(StrEnum):
    """What an exam is, which decides what has to become of it (``accounting``)."""

    FOLLOW_UP = "follow-up"
    """After an operation, compared with its baseline."""
    BASELINE = "baseline"
    """The first exam after an operation, which the follow-up is compared with."""
    ALONE = "alone"
    """After an operation, and nothing in the archive to compare it with."""
    ENDS_EARLY = "ends-early"
    """A chest, or a spine that was never operated."""
    POISON = "poison"
    """A follow-up that crashes the process which compares it."""


Key = tuple[str, str]
"""Patient of the cohort and role of the exam, whose volume is shown."""


@dataclass(frozen=True)
class PlannedExam:
    """One exam that will be sent."""

    kind: Kind
    header: ExamHeader
    shown: Key

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID."""
        return self.header.study_instance_uid


Patient = tuple[PlannedExam, ...]
"""The exams of one patient, in the order in which they are sent."""


def planned_patients(seed: int, count: int) -> list[Patient]:
    """Patients with ``count`` exams together, shuffled; among those that are compared is the poison exam."""
    source = random.Random(f"patients {seed}")
    pairs, alone = max(2, round(COMPARED_SHARE * count)), round(ALONE_SHARE * count)
    named = _Naming(seed)
    patients = [named.pair(COMPARED[number % len(COMPARED)], Kind.FOLLOW_UP) for number in range(pairs - 1)]
    patients += [named.single(ALONE, Kind.ALONE) for _ in range(alone)]
    rest = count - 2 * pairs - alone
    patients += [named.single((UNOPERATED, CHEST)[number % 2], Kind.ENDS_EARLY) for number in range(rest)]
    source.shuffle(patients)
    patients.insert(source.randrange(len(patients) // 4 + 1), named.pair(COMPARED[0], Kind.POISON))
    return patients


class _Naming:
    """Gives the cohort's exams to patients who are all different."""

    def __init__(self, seed: int) -> None:
        self._seed, self._number = seed, 0
        self._exams = {(who.name, exam.role): exam for who in cohort() for exam in who.exams}

    def pair(self, name: str, kind: Kind) -> Patient:
        self._number += 1
        return (self._exam((name, "baseline"), Kind.BASELINE), self._exam((name, "current"), kind))

    def single(self, name: str, kind: Kind) -> Patient:
        self._number += 1
        return (self._exam((name, "current"), kind),)

    def _exam(self, shown: Key, kind: Kind) -> PlannedExam:
        name = f"{self._number:04d}"
        header = replace(
            self._exams[shown].header,
            key=f"faults/{self._seed}/{name}/{shown[1]}",
            patient_id=f"FX{name}",
            virtual_name=f"Phantom^Fault{name}",
            accession_number=f"F{name}{shown[1][:1].upper()}",
        )
        return PlannedExam(kind, header, shown)


def rendered_volumes(patients: Sequence[Patient], cache: Path, progress: Callable[[str], None]) -> Mapping[Key, Volume]:
    """The volumes that the exams show, rendered where the cache does not have them yet."""
    wanted = sorted({exam.shown for patient in patients for exam in patient})
    folder = cache / f"faults-{fingerprint(SEED)}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [key for key in wanted if not _file(folder, key).is_file()]
    if missing:
        with ProcessPoolExecutor() as pool:
            for key, _ in zip(missing, pool.map(_render, [folder] * len(missing), missing), strict=True):
                progress(f"rendered {' '.join(key)}")
    return {key: _read(_file(folder, key)) for key in wanted}


def write_files(exam: PlannedExam, volume: Volume, folder: Path) -> list[Path]:
    """The exam as DICOM files in a folder of its own."""
    folder.mkdir(parents=True)
    return list(_written(exam, volume, folder))


def _written(exam: PlannedExam, volume: Volume, folder: Path) -> Iterator[Path]:
    for number, dataset in enumerate(ct_files(volume, exam.header)):
        path = folder / f"{number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        yield path


def _file(folder: Path, key: Key) -> Path:
    return folder / f"{'-'.join(key)}.npz"


def _render(folder: Path, key: Key) -> None:
    exam = next(exam for who in cohort() for exam in who.exams if (who.name, exam.role) == key)
    volume = _small(exam).volume()
    path = _file(folder, key)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        np.savez_compressed(file, voxels=volume.voxels, lps_from_index=volume.lps_from_index)
    draft.rename(path)


def _small(exam: VirtualExam) -> VirtualExam:
    protocol = replace(
        exam.protocol,
        rows=ROWS,
        columns=ROWS,
        pixel_mm=PIXEL_MM,
        slices=min(exam.protocol.slices, SLICES),
        spacing_mm=SPACING_MM,
        thickness_mm=SPACING_MM,
    )
    return replace(exam, protocol=protocol)


def _read(path: Path) -> Volume:
    with np.load(path) as stored:
        return Volume(stored["voxels"], stored["lps_from_index"])
