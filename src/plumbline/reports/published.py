"""All objects of one report, built together from one content."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from plumbline.reports.content import ReportContent
from plumbline.reports.evidence_picture import build_evidence_pictures
from plumbline.reports.key_objects import build_key_objects
from plumbline.reports.structured_report import build_structured_report


@dataclass(frozen=True, eq=False)
class ReportObjects:
    """What is stored into the current study. ``key_objects`` is None where no key image was named."""

    structured_report: Dataset
    key_objects: Dataset | None
    pictures: tuple[Dataset, ...]

    @property
    def all(self) -> tuple[Dataset, ...]:
        """Every object, what others refer to first."""
        selection = () if self.key_objects is None else (self.key_objects,)
        return (*self.pictures, *selection, self.structured_report)


def build_report_objects(content: ReportContent) -> ReportObjects:
    """SR, key object selection and pictures of one exam."""
    return ReportObjects(
        structured_report=build_structured_report(content),
        key_objects=build_key_objects(content) if content.key_images else None,
        pictures=build_evidence_pictures(content),
    )


def as_file(dataset: Dataset) -> bytes:
    """A built object as a DICOM file (PS3.10); the same object gives the same bytes."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def header_of(part10: bytes) -> Dataset:
    """The object of a DICOM file (PS3.10) without its pixels."""
    return dcmread(BytesIO(part10), stop_before_pixels=True)
