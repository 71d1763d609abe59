"""Others' label maps from DICOM SEG: kinds, codes, frame order, cropped and missing frames, and refusals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from highdicom.seg import SegmentationTypeValues
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sr.coding import Code

from plumbline.adapters.dicom_files.held import HeldImages
from plumbline.adapters.dicom_files.segmentation import describes, find_label_maps, label_map_from_dataset
from plumbline.errors import InvalidInput
from plumbline.exams.study import PatientIdentity
from plumbline.imaging.volume import Volume
from plumbline.pipeline.ports import ReceivedInstance
from plumbline.testing import MemorySpool
from tests.segmentation_files import BONE, segmentation, source_images

SHAPE = (10, 16, 20)
AFFINE = np.array([[1.5, 0, 0, -15], [0, 1.5, 0, 30], [0, 0, 2, 100], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def sources():
    return source_images(Volume(np.zeros(SHAPE, dtype=np.int16), AFFINE))


def box(z, y, x):
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[slice(*z), slice(*y), slice(*x)] = 1
    return mask


L4, L5 = box((5, 9), (3, 9), (4, 12)), box((1, 5), (4, 10), (5, 13))
MASKS = {"L4": L4, "L5": L5}


def points(segment):
    return {tuple(p) for p in segment.mask.zyx_to_lps(np.argwhere(segment.mask.voxels)).round(3).tolist()}


def expected(mask):
    return {tuple(p) for p in Volume(mask, AFFINE).zyx_to_lps(np.argwhere(mask)).round(3).tolist()}


@pytest.mark.parametrize("kind", list(SegmentationTypeValues))
def test_every_kind_of_segmentation_lies_where_it_was_drawn(sources, kind):
    label_map = label_map_from_dataset(segmentation(sources, MASKS, kind=kind))
    by_name = {each.name.name: each for each in label_map.segments}
    assert set(by_name) == {"L4", "L5"}
    assert points(by_name["L4"]) == expected(L4)
    assert points(by_name["L5"]) == expected(L5)
    assert label_map.origin == "TestSegmenter"


def test_segments_may_overlap(sources):
    overlapping = {"L4": L4, "L5": L4 | L5}
    by_name = {each.name.name: each for each in label_map_from_dataset(segmentation(sources, overlapping)).segments}
    assert points(by_name["L4"]) < points(by_name["L5"])


def test_the_order_of_frames_does_not_matter(sources):
    seg = segmentation(sources, MASKS, kind=SegmentationTypeValues.FRACTIONAL, omit_empty_frames=False)
    frames = list(seg.PerFrameFunctionalGroupsSequence)
    size = seg.Rows * seg.Columns
    pixels = [seg.PixelData[i * size : (i + 1) * size] for i in range(len(frames))]
    order = np.random.default_rng(3).permutation(len(frames))
    seg.PerFrameFunctionalGroupsSequence = [frames[i] for i in order]
    seg.PixelData = b"".join(pixels[i] for i in order)
    by_name = {each.name.name: each for each in label_map_from_dataset(seg).segments}
    assert points(by_name["L4"]) == expected(L4)


def test_a_missing_slice_inside_a_vertebra_is_bridged(sources):
    holed = L4.copy()
    holed[6] = 0
    (segment,) = label_map_from_dataset(segmentation(sources, {"L4": holed})).segments
    assert points(segment) == expected(L4)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (Code("11994002", "SCT", "L4 vertebra"), "L4"),
        (Code("T-11940", "SRT", "L4 vertebra"), "L4"),
        (Code("T-11AD0", "SRT", "Sacrum"), "sacrum"),
    ],
)
def test_old_and_new_codes_name_the_same_vertebra(sources, code, name):
    seg = segmentation(sources, {"L4": L4}, codes_by_label={"L4": code}, label="Segment 1")
    (segment,) = label_map_from_dataset(seg).segments
    assert (segment.name.name, segment.name.is_coded) == (name, True)


def test_free_text_is_a_weaker_source(sources):
    seg = segmentation(sources, {"L4": L4}, codes_by_label={"L4": BONE})
    (segment,) = label_map_from_dataset(seg).segments
    assert (segment.name.name, segment.name.is_coded) == ("L4", False)


def test_a_code_in_the_anatomic_region_names_it_as_dcmqi_writes_it(sources):
    seg = segmentation(sources, {"L4": L4}, codes_by_label={"L4": BONE}, label="Bone")
    item = seg.SegmentSequence[0]
    item.AnatomicRegionSequence = [
        segmentation(sources, {"L3": L4}).SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    ]
    (segment,) = label_map_from_dataset(seg).segments
    assert segment.name.name == "L3"


def test_a_segmentation_without_vertebrae_is_refused_and_not_even_read(sources):
    seg = segmentation(sources, {"L4": L4}, codes_by_label={"L4": Code("10200004", "SCT", "Liver")}, label="Liver")
    with pytest.raises(InvalidInput, match="names no vertebra"):
        label_map_from_dataset(seg)

    def never(_header):
        raise AssertionError("it was read")

    found = find_label_maps([*sources, seg], sources[0].SeriesInstanceUID, never)
    assert found.maps == ()
    assert found.refusals == ()


def test_frames_turned_against_each_other_are_refused(sources):
    seg = segmentation(sources, {"L4": L4})
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence):
        orientation = [1, 0, 0, 0, 1, 0] if number else [0, 1, 0, 1, 0, 0]
        shared = seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        turned = type(shared)()
        turned.ImageOrientationPatient = orientation
        frame.PlaneOrientationSequence = [turned]
    with pytest.raises(InvalidInput, match="turned against each other"):
        label_map_from_dataset(seg)


def test_a_broken_map_leaves_the_others_and_a_sentence(sources):
    good, broken = segmentation(sources, MASKS), segmentation(sources, MASKS)
    broken.PixelData = broken.PixelData[:10]
    found = find_label_maps([*sources, good, broken], sources[0].SeriesInstanceUID, lambda header: header)
    assert len(found.maps) == 1
    assert found.refusals
    assert "cannot be decoded" in found.refusals[0]


def test_a_map_belongs_to_the_series_that_it_refers_to_or_lies_with(sources):
    seg = segmentation(sources, MASKS)
    assert describes(seg, sources[0])
    seg.FrameOfReferenceUID = "2.25.99"
    assert describes(seg, sources[0]), "it refers to the series"
    del seg.ReferencedSeriesSequence
    assert not describes(seg, sources[0])
    seg.FrameOfReferenceUID = sources[0].FrameOfReferenceUID
    assert describes(seg, sources[0]), "it lies in the same frame of reference"


@dataclass
class Held:
    """A ledger of one study whose instances lie in a spool."""

    instances: list[ReceivedInstance]

    def held(self, _study_instance_uid):
        return self.instances

    def own_objects(self, _study_instance_uid):
        return frozenset()


def received(spool, dataset):
    """A dataset as the listener holds it: bytes without file meta information."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return ReceivedInstance(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        patient=PatientIdentity("VP1"),
        sha256="",
        location=spool.put(buffer.getvalue()),
        sender="TEST",
        received_at=datetime(2026, 3, 2, tzinfo=UTC),
    )


def test_a_label_map_that_the_listener_holds_is_found_with_its_series(sources):
    spool = MemorySpool()
    ledger = Held([received(spool, each) for each in (*sources, segmentation(sources, MASKS))])
    images = HeldImages(ledger, spool, ledger)
    study_uid = sources[0].StudyInstanceUID
    (label_map,) = images.label_maps(study_uid, sources[0].SeriesInstanceUID).maps
    assert {each.name.name for each in label_map.segments} == {"L4", "L5"}
    assert images.label_maps(study_uid, "2.25.404").maps == ()
