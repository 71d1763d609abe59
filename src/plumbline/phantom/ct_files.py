"""Virtual CT volumes as DICOM files, as scanners write them: one file a slice, a localiser, vendors' habits."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from plumbline.imaging.volume import Volume

_NAMESPACE = uuid.UUID("2f6f0d7e-63e0-5b0c-8a57-0f5b7f3f9a10")
IMPLEMENTATION_UID = "2.25.283469372451923874512398745123987451"


def virtual_uid(*parts: object) -> str:
    """UID under 2.25, the same for the same parts."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One manufacturer's habits.

    ``is_caudal_first`` numbers slices from the feet; ``intercept`` is the stored zero of the scale.
    """

    manufacturer: str
    model: str
    kernel: str
    intercept: int
    is_caudal_first: bool
    series_description: str


VENDORS = (
    Vendor("SIEMENS", "SOMATOM Force", "Br60s", -1024, False, "LWS 1.0 Br60"),
    Vendor("GE MEDICAL SYSTEMS", "Revolution CT", "BONEPLUS", -1024, True, "L-SPINE BONE 1.0"),
    Vendor("Philips", "IQon", "YB", -1000, False, "Lumbar 1.0 YB"),
)


@dataclass(frozen=True, slots=True)
class ExamHeader:
    """Who, when and why: what the files of one exam say besides the image.

    ``virtual_name`` is of the form ``Phantom^Stable``; it names no person.
    """

    key: str
    patient_id: str
    issuer: str | None
    virtual_name: str
    birth_date: date
    sex: str
    performed_at: datetime
    study_description: str
    body_part: str
    reason: str | None
    accession_number: str
    vendor: Vendor
    institution: str = "Phantom Hospital"

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID."""
        return virtual_uid(self.key, "study")


def ct_files(volume: Volume, header: ExamHeader) -> Iterator[Dataset]:
    """The instances of an exam: the localiser, then the slices in the vendor's order."""
    yield _localiser(volume, header)
    count = volume.shape[0]
    order = range(count) if header.vendor.is_caudal_first else range(count - 1, -1, -1)
    for number, slice_index in enumerate(order, start=1):
        yield _slice(volume, header, slice_index, number)


def _common(header: ExamHeader, series: int, description: str, number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = UID(virtual_uid(header.key, series, number))
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    _describe_study(ds, header)
    began = header.performed_at + timedelta(minutes=series)
    ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = began.strftime("%Y%m%d")
    ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = began.strftime("%H%M%S")
    ds.Modality = "CT"
    ds.Manufacturer = header.vendor.manufacturer
    ds.ManufacturerModelName = header.vendor.model
    ds.InstitutionName = header.institution
    ds.SeriesDescription = description
    ds.BodyPartExamined = header.body_part
    ds.PatientPosition = "HFS"
    ds.SeriesInstanceUID = virtual_uid(header.key, "series", series)
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = series, 1, number
    ds.FrameOfReferenceUID = virtual_uid(header.key, "frame")
    ds.PositionReferenceIndicator = ""
    ds.KVP = "120"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", str(header.vendor.intercept), "HU"
    return ds


def _describe_study(ds: Dataset, header: ExamHeader) -> None:
    ds.PatientName = header.virtual_name
    ds.PatientID = header.patient_id
    if header.issuer:
        ds.IssuerOfPatientID = header.issuer
    ds.PatientBirthDate = header.birth_date.strftime("%Y%m%d")
    ds.PatientSex = header.sex
    ds.StudyInstanceUID = header.study_instance_uid
    ds.StudyDate, ds.StudyTime = header.performed_at.strftime("%Y%m%d"), header.performed_at.strftime("%H%M%S")
    ds.StudyID = header.accession_number[-8:]
    ds.AccessionNumber = header.accession_number
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = header.study_description
    if header.reason:
        request = Dataset()
        request.RequestedProcedureID = header.accession_number[-8:]
        request.RequestedProcedureDescription = header.study_description
        request.ReasonForTheRequestedProcedure = header.reason[:64]
        request.ScheduledProcedureStepID = "1"
        ds.RequestAttributesSequence = [request]
        ds.AdditionalPatientHistory = header.reason


def _set_pixels(ds: Dataset, hu: NDArray[np.generic], header: ExamHeader) -> None:
    stored = np.clip(hu.astype(np.int32) - header.vendor.intercept, 0, 4095).astype("<u2")
    ds.Rows, ds.Columns = stored.shape
    ds.PixelData = stored.tobytes()


def _slice(volume: Volume, header: ExamHeader, slice_index: int, number: int) -> Dataset:
    ds = _common(header, 2, header.vendor.series_description, number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    x, y, z = volume.to_lps(np.array([0.0, 0.0, slice_index])).tolist()
    ds.ImagePositionPatient = [f"{value:.6g}" for value in (x, y, z)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [f"{volume.spacing_mm[1]:.6g}", f"{volume.spacing_mm[0]:.6g}"]
    ds.SliceThickness = f"{volume.spacing_mm[2]:.6g}"
    ds.SliceLocation = f"{z:.6g}"
    ds.ConvolutionKernel = header.vendor.kernel
    ds.XRayTubeCurrent, ds.ExposureTime = "220", "1000"
    ds.WindowCenter, ds.WindowWidth = "450", "1800"
    _set_pixels(ds, volume.voxels[slice_index], header)
    return ds


def _localiser(volume: Volume, header: ExamHeader) -> Dataset:
    """A projection that must never be measured."""
    ds = _common(header, 1, "Topogram", 1)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    shadow = np.clip(volume.voxels[::-1].astype(np.float32).mean(axis=1) + 200.0, -1000.0, 2000.0)
    rows = np.repeat(shadow, 2, axis=0)
    x, y, z = volume.to_lps(np.array([0.0, volume.shape[1] / 2, volume.shape[0] - 1])).tolist()
    ds.ImagePositionPatient = [f"{value:.6g}" for value in (x, y, z)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    ds.PixelSpacing = [f"{volume.spacing_mm[2] / 2:.6g}", f"{volume.spacing_mm[0]:.6g}"]
    ds.SliceThickness = "1"
    _set_pixels(ds, rows, header)
    return ds


def exam_moment(day: date, hour: int = 9) -> datetime:
    """Date and local time of an exam; DICOM carries no zone here."""
    return datetime.combine(day, time(hour, 15))
