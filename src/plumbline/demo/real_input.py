"""Real images through the same door, where they lie beside the checkout: a CT operated virtually, and real slices.

Nothing of them is kept in the repository, and nothing is said of them but what the path finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from plumbline.demo.patients import WrittenExam, WrittenPatient
from plumbline.errors import InvalidInput
from plumbline.imaging.volume import Volume
from plumbline.phantom.cohort import ISSUER, SURGERY, Expectation, VirtualPatient
from plumbline.phantom.ct_files import VENDORS, ExamHeader, ct_files, exam_moment, virtual_uid
from plumbline.phantom.real import RealAnatomy, operate

SHARED_DATA = Path(__file__).parents[4] / "shared" / "data"
TRANSLATION_MM = (3.0, 0.0, 0.0)
SEED = 7
TOTALSEGMENTATOR_NAMES = {
    26: "S1", 27: "L5", 28: "L4", 29: "L3", 30: "L2", 31: "L1", 32: "T12", 33: "T11",
}  # fmt: skip
BODY_LABEL = 1


@dataclass(frozen=True)
class RealExam:
    """An exam made of real images; sent like a virtual one."""

    header: ExamHeader
    role: str
    parts: int = 1
    truncated: tuple[int, ...] = ()


def real_patients(cache: Path, data: Path = SHARED_DATA) -> tuple[WrittenPatient, ...]:
    """The real cases that are at hand; empty where there are none or NIfTI cannot be read."""
    return (*_operated(cache, data / "ct-t11-pelvis"), *_slices(cache, data / "ct-dicom-jpeg2000"))


def read_real_anatomy(folder: Path) -> RealAnatomy:
    """The real CT with its label maps.

    Raises
    ------
    InvalidInput
        When nibabel is not installed or a file is missing.
    """
    try:
        import nibabel  # noqa: PLC0415 (a development dependency, needed for these files only)
    except ImportError as error:
        raise InvalidInput("nibabel is not installed", remedy="Run 'make setup'") from error

    def array(name: str) -> Any:
        return np.asarray(nibabel.load(folder / name).dataobj).transpose(2, 1, 0)  # type: ignore[attr-defined]

    image: Any = nibabel.load(folder / "ct.nii.gz")  # type: ignore[attr-defined]
    lps_from_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    volume = Volume(np.ascontiguousarray(array("ct.nii.gz")).astype(np.int16), lps_from_ras @ image.affine)
    bodies = array("labels_vertebrae_body.nii.gz") == BODY_LABEL
    return RealAnatomy(volume, array("labels_totalseg.nii.gz"), bodies, TOTALSEGMENTATOR_NAMES)


def scanner_order(volume: Volume) -> Volume:
    """The same voxels with columns to the left, rows to posterior and slices upward, as a scanner stores them."""
    voxels, affine = volume.voxels, volume.lps_from_index.copy()
    for axis, column in ((2, 0), (1, 1), (0, 2)):
        if affine[column, column] < 0:
            voxels = np.flip(voxels, axis)
            affine[:3, 3] += affine[:3, column] * (volume.voxels.shape[axis] - 1)
            affine[:3, column] *= -1.0
    return Volume(np.ascontiguousarray(voxels), affine)


def _operated(cache: Path, folder: Path) -> Iterator[WrittenPatient]:
    if not (folder / "ct.nii.gz").exists():
        return
    anatomy = read_real_anatomy(folder)
    pair = operate(anatomy, "L4", "L5", translation_mm=TRANSLATION_MM, seed=SEED)
    exams = [
        _write(cache, _header(role, day, reason), role, scanner_order(volume))
        for role, day, reason, volume in (
            ("baseline", 4, "Postop control day 4 after TLIF L4-L5", pair.baseline),
            ("current", 98, f"s/p TLIF L4-L5 {SURGERY.isoformat()}, control", pair.current),
        )
    ]
    expectation = Expectation(
        True, ("URGENT", "STAT", "ROUTINE"), {"level-error": ("negative", "indeterminate")}, None, TRANSLATION_MM, True
    )
    yield WrittenPatient(VirtualPatient("RealCT3mm", (), expectation), tuple(exams), is_real=True)


def _header(role: str, day: int, reason: str) -> ExamHeader:
    return ExamHeader(
        key=f"real/t11-pelvis/{role}",
        patient_id="VP9001",
        issuer=ISSUER,
        virtual_name="Phantom^RealCT",
        birth_date=date(1950, 1, 1),
        sex="O",
        performed_at=exam_moment(SURGERY + timedelta(days=day)),
        study_description="CT Lumbar Spine",
        body_part="LSPINE",
        reason=reason,
        accession_number=f"A9001{day + 100:04d}",
        vendor=VENDORS[0],
    )


def _write(cache: Path, header: ExamHeader, role: str, volume: Volume) -> WrittenExam:
    folder = cache / f"real-{role}"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, dataset in enumerate(ct_files(volume, header)):
        files.append(folder / f"{number:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return WrittenExam(RealExam(header, role), tuple(files))


def _slices(cache: Path, folder: Path) -> Iterator[WrittenPatient]:
    """Real JPEG 2000 slices whose identities were removed: given new ones, pixel data untouched."""
    sources = sorted(folder.glob("CT.*")) if folder.is_dir() else []
    if not sources:
        return
    header = ExamHeader(
        key="real/jpeg2000",
        patient_id="VP9002",
        issuer=ISSUER,
        virtual_name="Phantom^RealSlices",
        birth_date=date(1950, 1, 1),
        sex="O",
        performed_at=exam_moment(SURGERY),
        study_description="",
        body_part="",
        reason=None,
        accession_number="A90020001",
        vendor=VENDORS[0],
    )
    target = cache / "real-jpeg2000"
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for number, source in enumerate(sources):
        dataset = identified(dcmread(source), header, number)
        files.append(target / f"{number:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    exam = WrittenExam(RealExam(header, "current"), tuple(files))
    patient = VirtualPatient("RealJPEG2000", (), Expectation(is_on_worklist=False))
    yield WrittenPatient(patient, (exam,), is_real=True)


def identified(dataset: Dataset, header: ExamHeader, number: int) -> Dataset:
    """A de-identified instance with an identity again: the UIDs and the patient ID that the archive asks for."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = UID(virtual_uid(header.key, number))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = header.study_instance_uid
    dataset.SeriesInstanceUID = virtual_uid(header.key, "series")
    dataset.PatientID = header.patient_id
    dataset.IssuerOfPatientID = header.issuer
    dataset.PatientName = header.virtual_name
    dataset.AccessionNumber = header.accession_number
    return dataset
