"""A standing lateral radiograph of a virtual patient, drawn from the written CT: each pixel is the sum along one ray.

Rays run from right to left and are parallel, so nothing is magnified. The virtual patients have no femora; where their
landmarks lie follows from the spine that was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from scipy import ndimage

from plumbline.demo.patients import fingerprint
from plumbline.phantom.cohort import SEED, VirtualExam, cohort

PIXEL_MM = 0.4
AIR_HU = -1000.0
ENDPLATES = {"S1": "S1 superior endplate", "L1": "L1 superior endplate"}
STUDY = "2.25.40712"
_OF_THE_PATIENT = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AdditionalPatientHistory"),
    "StudyDate",
)


@dataclass(frozen=True)
class Radiograph:
    """A file, and (column, row) in pixels of the landmarks in view."""

    study_instance_uid: str
    file: bytes
    landmarks: dict[str, tuple[float, float]]


def standing_lateral(cache: Path, name: str = "MovedBack") -> Radiograph:
    """Of a patient's last exam; the cohort has to be written already."""
    exam = next(each for each in cohort() if each.name == name).exams[-1]
    images = [dcmread(path) for path in (cache / fingerprint(SEED) / f"{name}-{exam.role}").glob("*.dcm")]
    slices = [each for each in images if "AXIAL" in each.ImageType]
    slices.sort(key=lambda each: -float(each.ImagePositionPatient[2]))  # the head on top
    top = slices[0]
    distance = abs(float(slices[1].ImagePositionPatient[2]) - float(top.ImagePositionPatient[2]))
    rows_mm = float(top.PixelSpacing[0])
    sums = np.stack([np.clip(_hu(each) - AIR_HU, 0.0, None).sum(axis=1) for each in slices])
    pixels = ndimage.zoom(sums, (distance / PIXEL_MM, rows_mm / PIXEL_MM), order=1)
    corner = float(top.ImagePositionPatient[1]) - rows_mm / 2, float(top.ImagePositionPatient[2]) + distance / 2
    return Radiograph(STUDY, _file(top, pixels), _landmarks(exam, corner, pixels.shape))


def _hu(image: Dataset) -> np.ndarray:
    return image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)


def _landmarks(
    exam: VirtualExam, corner_mm: tuple[float, float], shape: tuple[int, ...]
) -> dict[str, tuple[float, float]]:
    """Ends of the endplates that lie in the picture."""
    places: dict[str, tuple[float, float]] = {}
    for vertebra, endplate in ENDPLATES.items():
        depth = exam.scene.spine.vertebra(vertebra).shape.depth_mm
        for side, own in (("anterior", [-depth, 0.0, 0.0]), ("posterior", [0.0, 0.0, 0.0])):
            _, y, z = exam.scene.exam_from_own(vertebra).apply(np.array(own))
            places[f"{endplate} {side}"] = (y - corner_mm[0]) / PIXEL_MM, (corner_mm[1] - z) / PIXEL_MM
    return {name: at for name, at in places.items() if 0 < at[0] < shape[1] and 0 < at[1] < shape[0]}


def _file(ct: Dataset, pixels: np.ndarray) -> bytes:
    dataset = Dataset()
    for keyword in _OF_THE_PATIENT:
        setattr(dataset, keyword, ct.get(keyword))
    dataset.StudyTime, dataset.AccessionNumber = "110000", "A40711"
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, f"{STUDY}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    dataset.StudyDescription, dataset.SeriesDescription = "XR Lumbar Spine", "Lumbar spine lateral standing"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "LSPINE", "LL"
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.PatientOrientation = 1, 1, ["P", "F"]
    dataset.ImagerPixelSpacing = [PIXEL_MM, PIXEL_MM]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dark, bright = np.percentile(pixels, (25, 99.8))
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = np.clip((pixels - dark) / (bright - dark) * 4095, 0, 4095).astype(np.uint16).tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()
