from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import SecondaryCaptureImageStorage

from plumbline.reports.evidence_picture import build_evidence_pictures, picture_reference
from tests.conformance.report_cases import ROOT, full_report, picture, plain_report


@pytest.fixture(scope="module")
def stored() -> Dataset:
    (image,) = build_evidence_pictures(full_report())
    return image


def test_pixels_survive_a_file() -> None:
    odd = picture().pixels[:33, :33]
    content = replace(full_report(), pictures=(replace(picture(), pixels=odd),))
    (image,) = build_evidence_pictures(content)
    buffer = DicomBytesIO()
    image.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    assert np.array_equal(dcmread(buffer).pixel_array, odd)


def test_the_picture_is_a_workstations_and_holds_no_patient_data(stored: Dataset) -> None:
    assert stored.SOPClassUID == SecondaryCaptureImageStorage
    assert (stored.ConversionType, stored.BurnedInAnnotation) == ("WSD", "NO")
    assert list(stored.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert stored.StudyInstanceUID == f"{ROOT}.4"


def test_the_caption_is_in_the_header(stored: Dataset) -> None:
    assert stored.ImageComments == "Spacer at L4-L5, baseline and current (sagittal)"


def test_the_sources_are_named_with_where_they_lie(stored: Dataset) -> None:
    sources = [item.ReferencedSOPInstanceUID for item in stored.SourceImageSequence]
    assert sources == [f"{ROOT}.4.1.2", f"{ROOT}.2.1.2"]
    (series,) = stored.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == f"{ROOT}.4.1"
    (other,) = stored.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == f"{ROOT}.2"


def test_a_picture_without_sources_claims_none() -> None:
    content = replace(full_report(), pictures=(replace(picture(), source_sop_instance_uids=()),))
    (image,) = build_evidence_pictures(content)
    assert "SourceImageSequence" not in image
    assert "ReferencedSeriesSequence" not in image


def test_pictures_share_one_series_and_are_numbered() -> None:
    content = replace(full_report(), pictures=(picture(), picture()))
    first, second = build_evidence_pictures(content)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)


def test_the_report_knows_a_picture_by_the_uids_it_will_have(stored: Dataset) -> None:
    reference = picture_reference(full_report(), 0)
    assert (reference.SOPInstanceUID, reference.SeriesInstanceUID, reference.SOPClassUID) == (
        stored.SOPInstanceUID,
        stored.SeriesInstanceUID,
        stored.SOPClassUID,
    )


def test_a_report_without_pictures_makes_none() -> None:
    assert build_evidence_pictures(plain_report()) == ()
