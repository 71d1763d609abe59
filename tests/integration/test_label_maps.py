"""A label map beside a real CT is used first, named as the anchor, and doubted where it is wrong.

Skipped, with a sentence, where the real data are not beside the checkout.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from highdicom.seg import SegmentationTypeValues
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from plumbline.adapters.dicom_files.segmentation import label_map_from_dataset
from plumbline.demo.real_input import SHARED_DATA, read_real_anatomy, scanner_order
from plumbline.errors import InvalidInput
from plumbline.folder_comparison import ComparisonRequest, compare_folders
from plumbline.imaging.volume import Volume
from tests.segmentation_files import segmentation, source_images

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(300)]
FOLDER = SHARED_DATA / "ct-t11-pelvis"


@pytest.fixture(scope="module")
def anatomy():
    if not (FOLDER / "ct.nii.gz").exists():
        pytest.skip("the real CT is not beside this checkout (../shared/data/ct-t11-pelvis)")
    return read_real_anatomy(FOLDER)


@pytest.fixture(scope="module")
def slices(anatomy):
    return source_images(scanner_order(anatomy.volume))


@pytest.fixture(scope="module")
def masks(anatomy):
    labels = scanner_order(Volume(anatomy.labels, anatomy.volume.lps_from_index)).voxels
    return {name: (labels == number).astype(np.uint8) for number, name in anatomy.names.items() if number in labels}


def compared(slices, masks, folder, **options):
    """Numbering and levels of ``plumbline compare`` on the CT with a SEG beside it."""
    for number, each in enumerate([*slices, segmentation(slices, masks, **options)]):
        each.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    current = compare_folders(ComparisonRequest(current=folder)).document["current"]
    return current["numbering"], current["levels_in_view"]


@pytest.mark.parametrize("kind", [SegmentationTypeValues.BINARY, SegmentationTypeValues.LABELMAP])
def test_a_label_map_beside_the_ct_names_the_levels(slices, masks, tmp_path, kind):
    numbering, levels = compared(slices, masks, tmp_path, kind=kind)
    assert numbering["anchor"] == "label-map"
    assert levels[-6:] == ["L1", "L2", "L3", "L4", "L5", "S1"]
    assert numbering["conflict"] is None


def test_a_label_map_that_is_one_off_is_a_declared_conflict(slices, masks, tmp_path):
    order = sorted(masks, key=lambda name: -float(np.argwhere(masks[name])[:, 0].mean()))
    shifted = {upper: masks[lower] for upper, lower in pairwise(order) if lower != "S1"}
    numbering, _ = compared(slices, shifted | {"S1": masks["S1"]}, tmp_path)
    assert numbering["anchor"] == "label-map"
    assert numbering["conflict"]


@pytest.mark.parametrize("name", ["liver", "partial_overlaps", "sparse-labelmap-noppv", "sparse-labelmap-ppv5"])
def test_label_maps_of_other_organs_name_no_vertebra(name):
    path = SHARED_DATA / "seg-third-party" / "dcmqi" / f"{name}.dcm"
    if not path.exists():
        pytest.skip("the SEG objects of dcmqi are not beside this checkout (../shared/data/seg-third-party)")
    with pytest.raises(InvalidInput, match="names no vertebra"):
        label_map_from_dataset(dcmread(path))


@pytest.mark.parametrize("name", ["liver", "partial_overlaps", "sparse-labelmap-noppv", "sparse-labelmap-ppv5"])
def test_the_frames_of_dcmqi_are_read_once_a_segment_is_called_a_vertebra(name):
    path = SHARED_DATA / "seg-third-party" / "dcmqi" / f"{name}.dcm"
    if not path.exists():
        pytest.skip("the SEG objects of dcmqi are not beside this checkout (../shared/data/seg-third-party)")
    dataset = dcmread(path)
    item = dataset.SegmentSequence[-1]
    item.SegmentLabel = "vertebrae_L4"
    (segment,) = label_map_from_dataset(dataset).segments
    assert segment.name.name == "L4"
    stored = pixel_array(dataset)
    is_of_item = [
        int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber) == int(item.SegmentNumber)
        if "SegmentIdentificationSequence" in frame
        else True
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    value = int(item.SegmentNumber) if dataset.SegmentationType == "LABELMAP" else 1
    assert segment.mask.voxels.sum() >= (stored[is_of_item] == value).sum() > 0
