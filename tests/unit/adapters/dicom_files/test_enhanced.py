"""Enhanced multi-frame CT (PS3.3 A.38): read whatever the order of its frames; several volumes in one are refused."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

from plumbline.adapters.dicom_files.headers import study_from_headers
from plumbline.adapters.dicom_files.volumes import volume_from_datasets
from plumbline.errors import InvalidInput
from plumbline.exams.recognition import recognise

from .conftest import ct_slice

HEIGHTS = (4.0, 0.0, 6.0, 2.0)


def item(**values) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def enhanced(heights_mm: Sequence[float] = HEIGHTS, frames: Sequence[dict] = (), **changes) -> Dataset:
    """One object; the stored value of each frame is a thousand and its height, and ``frames`` adds to their content."""
    ds = ct_slice(1, SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=len(heights_mm))
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "ConvolutionKernel",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(ds, keyword)
    planes = [np.full((ds.Rows, ds.Columns), 1000 + height, np.uint16) for height in heights_mm]
    ds.PixelData = b"".join(plane.tobytes() for plane in planes)
    ds.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.4], SliceThickness=2)],
            PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-1024, RescaleType="HU")],
            CTReconstructionSequence=[item(ConvolutionKernel="Br64d")],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[-10, -20, height])],
            FrameContentSequence=[item(**(frames[index] if frames else {"InStackPositionNumber": index + 1}))],
        )
        for index, height in enumerate(heights_mm)
    ]
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def as_received(dataset: Dataset) -> Dataset:
    """Written and read again, as from a file."""
    buffer = BytesIO()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(buffer, dataset, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def test_frames_in_any_order_are_stacked_by_their_place():
    volume = volume_from_datasets([as_received(enhanced())])
    assert volume.voxels[:, 0, 0].tolist() == [2 * (1000 + h) - 1024 for h in (0, 2, 4, 6)]
    np.testing.assert_allclose(volume.spacing_mm, [0.4, 0.5, 2.0])
    np.testing.assert_allclose(volume.lps_from_index[:3, 3], [-10, -20, 0])


def test_a_rescale_of_its_own_is_each_frames():
    ds = enhanced()
    for index, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        group.PixelValueTransformationSequence = [item(RescaleSlope=1, RescaleIntercept=-1000 - index)]
    assert volume_from_datasets([ds]).voxels[:, 0, 0].tolist() == [-1, -1, 4, 4]


def test_one_volume_in_several_objects_is_one_volume():
    lower, upper = enhanced((0.0, 2.0)), enhanced((4.0, 6.0), SOPInstanceUID="2.25.99")
    assert volume_from_datasets([upper, lower]).shape == (4, 6, 8)


def test_what_highdicom_converts_from_single_frames_is_the_same_volume():
    series = [ct_slice(n) for n in range(1, 6)]
    for each in series:
        each.FrameOfReferenceUID = "2.25.3"
        each.PositionReferenceIndicator = ""
        each.PatientName = "Phantom^Enhanced"
        each.AccessionNumber, each.StudyID, each.ReferringPhysicianName = "1", "1", ""
        each.Manufacturer, each.SeriesNumber, each.PatientPosition = "Phantom", 1, "HFS"
        each.RescaleType, each.BurnedInAnnotation, each.AcquisitionNumber = "HU", "NO", 1
    converted = LegacyConvertedEnhancedCTImage(
        legacy_datasets=series,
        series_instance_uid="2.25.4",
        series_number=2,
        sop_instance_uid="2.25.5",
        instance_number=1,
    )
    whole, single = volume_from_datasets([converted]), volume_from_datasets(series)
    np.testing.assert_array_equal(whole.voxels, single.voxels)
    np.testing.assert_allclose(whole.lps_from_index, single.lps_from_index)


PHASES = [{"TemporalPositionIndex": phase} for phase in (1, 1, 2, 2)]


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (PHASES, r"2 volumes of the same slices, told apart by Temporal Position \(1, 2\)"),
        ([{"StackID": stack} for stack in "AABB"], r"told apart by Stack ID \(A, B\)"),
        ([{"FrameAcquisitionNumber": n} for n in (3, 3, 4, 4)], r"told apart by Acquisition Number \(3, 4\)"),
        ([{}] * 4, "2 slices of this series lie where another one lies"),
    ],
)
def test_several_volumes_in_one_object_are_refused_with_what_tells_them_apart(frames, reason):
    with pytest.raises(InvalidInput, match=reason):
        volume_from_datasets([enhanced((0.0, 2.0, 0.0, 2.0), frames)])


def test_two_acquisitions_in_one_series_of_single_frames_are_refused_the_same_way():
    series = [ct_slice(n, AcquisitionNumber=a, SOPInstanceUID=f"2.25.{a}{n}") for a in (1, 2) for n in (1, 2, 3)]
    with pytest.raises(InvalidInput, match="told apart by Acquisition Number"):
        volume_from_datasets(series)


def test_phases_of_other_slices_are_one_volume():
    """A step-and-shoot scan numbers its acquisitions; their slices follow one another."""
    frames = [{"FrameAcquisitionNumber": number} for number in (1, 1, 2, 2)]
    assert volume_from_datasets([enhanced((0.0, 2.0, 4.0, 6.0), frames)]).shape[0] == 4


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda ds: ds.PerFrameFunctionalGroupsSequence.pop(), "has 4 frames but describes 3"),
        (lambda ds: delattr(ds, "SharedFunctionalGroupsSequence"), "has no PlaneOrientationSequence"),
        (lambda ds: delattr(ds, "PerFrameFunctionalGroupsSequence"), "multi-frame image without functional groups"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:20]), "cannot be decoded"),
    ],
)
def test_an_object_that_contradicts_itself_is_refused_with_the_reason(spoil, reason):
    ds = enhanced()
    spoil(ds)
    with pytest.raises(InvalidInput, match=reason):
        volume_from_datasets([ds])


def test_recognition_reads_the_functional_groups():
    study = study_from_headers([enhanced(tuple(2.0 * n for n in range(40)))])
    (series,) = study.series
    assert series.slice_thickness_mm == 2.0
    assert series.kernel == "Br64d"
    assert series.instances[0].pixel_spacing_mm == (0.5, 0.4)
    assert series.instances[0].image_orientation == (1, 0, 0, 0, 1, 0)


def test_an_enhanced_series_is_measurable_like_one_of_single_frames():
    study = study_from_headers([enhanced(tuple(2.0 * n for n in range(40)), Rows=200, Columns=200)])
    recognition = recognise(study)
    assert recognition.measurable_series == ("2.25.2",)
    assert recognition.slice_thickness_mm == 2.0
