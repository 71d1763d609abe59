"""The randomised CT pairs of the accuracy campaign, rendered once and kept in ``build/ct-cases``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from plumbline.imaging.volume import Volume
from plumbline.phantom.randomised import RandomExam, RandomPatient, SliceClass, draw_patient
from plumbline.phantom.sample import picture_key
from plumbline.phantom.scanner import render

CACHE = Path("build/ct-cases")
SEED = 20261121
FOLLOW_UPS = 2


@dataclass(frozen=True)
class Campaign:
    """Which patients: ``patients`` of each slice class, from ``first`` on."""

    seed: int = SEED
    patients: int = 50
    first: int = 0

    def draw(self) -> Iterator[RandomPatient]:
        """All patients, thin and thick in turn."""
        for number in range(self.first, self.first + self.patients):
            for slice_class in SliceClass:
                yield self.patient(number, slice_class)

    def patient(self, number: int, slice_class: SliceClass) -> RandomPatient:
        """One patient; thin and thick ones are different people."""
        own = 2 * number + (slice_class is SliceClass.THICK)
        return draw_patient(self.seed, own, slice_class, follow_ups=FOLLOW_UPS)

    def folder(self) -> Path:
        """Where its volumes are kept; another one when other patients are drawn or pictures look different."""
        digest = hashlib.sha256(f"{self.seed}/{FOLLOW_UPS}/{picture_key()}".encode())
        digest.update((resources.files("plumbline.phantom") / "randomised.py").read_bytes())
        return CACHE / digest.hexdigest()[:16]


def exam_of(patient: RandomPatient, index: int) -> RandomExam:
    """The baseline (0) or the follow-up of that index (from 1)."""
    return patient.baseline if index == 0 else patient.follow_ups[index - 1].exam


def load(campaign: Campaign, patient: RandomPatient, index: int) -> Volume:
    """A rendered exam."""
    path = _path(campaign.folder(), patient.number, index)
    stored = np.load(path)
    return Volume(stored["voxels"], stored["lps_from_index"])


def render_missing(campaign: Campaign, workers: int, progress: Callable[[int, int], None]) -> None:
    """Render what is not in the cache, a patient a task; ``progress`` is told (patients done, patients in all)."""
    patients = list(campaign.draw())
    folder = campaign.folder()
    folder.mkdir(parents=True, exist_ok=True)
    missing = [p for p in patients if not all(_path(folder, p.number, i).exists() for i in range(FOLLOW_UPS + 1))]
    progress(len(patients) - len(missing), len(patients))
    if not missing:
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        running = [pool.submit(_render_patient, campaign, folder, p.number // 2, p.slice_class) for p in missing]
        for done, finished in enumerate(as_completed(running), start=len(patients) - len(missing) + 1):
            finished.result()
            progress(done, len(patients))


def _path(folder: Path, number: int, index: int) -> Path:
    return folder / f"{number:04d}-{index}.npz"


def _render_patient(campaign: Campaign, folder: Path, number: int, slice_class: SliceClass) -> None:
    patient = campaign.patient(number, slice_class)
    for index in range(FOLLOW_UPS + 1):
        path = _path(folder, patient.number, index)
        if path.exists():
            continue
        exam = exam_of(patient, index)
        volume = render(exam.scene, exam.protocol, exam.seed)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, voxels=volume.voxels, lps_from_index=volume.lps_from_index)
        partial.rename(path)
