"""From instances to a volume: order, rescale, padding, enhanced multi-frame, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless

from plumbline.adapters.dicom_files.volumes import AIR_HU, volume_from_datasets
from plumbline.errors import InvalidInput

from .conftest import ct_slice


def test_slices_are_ordered_and_rescaled_to_hounsfield_units(ct_series):
    volume = volume_from_datasets(ct_series)
    assert volume.voxels.dtype == np.int16
    assert volume.voxels[:, 0, 0].tolist() == [-23, -22, -21]
    np.testing.assert_allclose(volume.spacing_mm, [0.5, 0.5, 2.0])


def test_a_fractional_slope_is_kept(ct_series):
    for each in ct_series:
        each.RescaleSlope = 0.5
    volume = volume_from_datasets(ct_series)
    assert volume.voxels.dtype == np.float32
    assert volume.voxels[0, 0, 0] == pytest.approx(1001 * 0.5 - 1024)


def test_padding_is_air(ct_series):
    for each in ct_series:
        each.PixelPaddingValue = 1002
    assert volume_from_datasets(ct_series).voxels[1].max() == AIR_HU


def test_an_enhanced_instance_is_a_volume():
    ds = ct_slice(1, NumberOfFrames=3)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, keyword)
    ds.PixelData = np.arange(3 * 48, dtype=np.uint16).tobytes()
    orientation, measures, rescale, shared = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing = [0.5, 0.5]
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, -1000
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    shared.PixelValueTransformationSequence = [rescale]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for height in (4, 2, 0):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, height]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    volume = volume_from_datasets([ds])
    assert volume.shape == (3, 6, 8)
    assert volume.voxels[:, 0, 0].tolist() == [96 * 2 - 1000, 48 * 2 - 1000, -1000]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda ds: delattr(ds, "ImagePositionPatient"), "position, orientation or pixel spacing"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:20]), "cannot be decoded"),
        (lambda ds: delattr(ds, "PixelData"), "cannot be decoded"),
        (lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", JPEG2000Lossless), "cannot be decoded"),
        (lambda ds: setattr(ds, "SamplesPerPixel", 3), "colour"),
    ],
)
def test_what_cannot_be_decoded_is_named_with_its_uid(ct_series, spoil, reason):
    spoil(ct_series[1])
    with pytest.raises(InvalidInput, match=reason) as refusal:
        volume_from_datasets(ct_series)
    assert refusal.value.where == "2.25.771"


def test_one_broken_slice_of_many_is_left_out_and_said():
    series = [ct_slice(n) for n in range(1, 31)]
    series[3].PixelData = series[3].PixelData[:10]
    volume = volume_from_datasets(series)
    assert volume.shape[0] == 26
    assert volume.note is not None
    assert "1 of 30 instances could not be used" in volume.note


def test_a_localiser_filed_among_the_slices_is_left_out(ct_series):
    scout = ct_slice(9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    volume = volume_from_datasets([scout, *ct_series])
    assert volume.shape[0] == len(ct_series)
    np.testing.assert_allclose(volume.spacing_mm, [0.5, 0.5, 2.0])
