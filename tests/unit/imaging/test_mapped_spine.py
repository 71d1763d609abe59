"""A label map made into the localiser's output: bodies from whole or partial masks, wrong labels noticed."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.anatomy.segment_names import SegmentName
from plumbline.errors import AnalysisFailed
from plumbline.imaging.label_maps import LabelMap, LabelSegment
from plumbline.imaging.mapped_body import MappedBodySettings, find_core
from plumbline.imaging.mapped_spine import spine_from_label_map, with_disagreement
from plumbline.imaging.volume import Volume

STEP_MM = 2.0
HALF_BODY_MM = np.array([22.0, 16.0, 13.0])
"""Left-right, antero-posterior and cranio-caudal."""
CENTRES_MM = {
    "T12": (0.0, 2.0, 141.0),
    "L1": (0.0, 0.0, 110.0),
    "L2": (0.0, -4.0, 76.0),
    "L3": (0.0, -8.0, 40.0),
    "L4": (0.0, -9.0, 3.0),
    "L5": (0.0, -4.0, -34.0),
}
SHAPE = (118, 60, 50)
AFFINE = np.array([[STEP_MM, 0, 0, -50], [0, STEP_MM, 0, -40], [0, 0, STEP_MM, -65], [0, 0, 0, 1.0]])
GRID = Volume(np.zeros(SHAPE, dtype=bool), AFFINE)
POINTS = GRID.zyx_to_lps(np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1))


def body(name):
    return np.all(np.abs(POINTS - CENTRES_MM[name]) <= HALF_BODY_MM, axis=-1)


def whole(name):
    """A body with pedicles and a spinous process behind a canal."""
    offset = POINTS - CENTRES_MM[name]
    x, y, z = np.abs(offset[..., 0]), offset[..., 1], np.abs(offset[..., 2])
    pedicles = (x > 10) & (x < 17) & (y > 10) & (y < 36) & (z < 6)
    arch = (x < 17) & (y > 32) & (y < 38) & (z < 8)
    process = (x < 4) & (y > 36) & (y < 58) & (z < 8)
    return body(name) | pedicles | arch | process


def segment(name, mask, *, is_coded=True):
    index = np.argwhere(mask)
    start, stop = index.min(axis=0), index.max(axis=0) + 1
    cropped = Volume(mask, AFFINE).crop(tuple(start), tuple(stop))
    return LabelSegment(SegmentName(name, is_coded), cropped)


def label_map(names=None, shape=whole):
    """The map of all vertebrae, each called what ``names`` says."""
    names = names or {name: name for name in CENTRES_MM}
    return LabelMap("test", tuple(segment(said, shape(true)) for true, said in names.items()))


@pytest.fixture(scope="module")
def ct():
    hu = np.full(SHAPE, 40, dtype=np.int16)
    for name in CENTRES_MM:
        hu[whole(name)] = 350
    return Volume(hu, AFFINE)


@pytest.mark.parametrize("shape", [body, whole])
def test_bodies_are_found_in_masks_of_bodies_and_of_whole_vertebrae(ct, shape):
    spine = spine_from_label_map(ct, label_map(shape=shape))
    assert spine.names == tuple(CENTRES_MM)
    assert spine.numbering.anchor == "label-map"
    for vertebra, centre in zip(spine.vertebrae, CENTRES_MM.values(), strict=True):
        assert np.linalg.norm(vertebra.centre_lps_mm - centre) < 3.5
        assert vertebra.frame.posterior @ [0, 1, 0] > 0.9
        assert abs(vertebra.depth_mm - 2 * HALF_BODY_MM[1]) < 6


def test_each_vertebra_keeps_its_own_voxels_without_metal(ct):
    metal = np.zeros(SHAPE, dtype=bool)
    metal[tuple(np.argwhere(body("L4"))[0])] = True
    spine = spine_from_label_map(ct, label_map(), metal=metal)
    number = spine.names.index("L4") + 1
    assert not (spine.labels[metal] == number).any()
    assert (spine.labels == number).sum() == whole("L4").sum() - 1


def test_the_core_tells_the_body_from_its_arch():
    settings = MappedBodySettings()
    core = find_core(segment("L3", whole("L3")).mask, settings)
    assert np.linalg.norm(core.centre_lps_mm - CENTRES_MM["L3"]) < 3.0
    assert core.backward @ [0, 1, 0] > 0.99
    assert find_core(segment("L3", body("L3")).mask, settings).backward is None


def test_a_vertebra_that_the_map_leaves_out_is_found_and_said(ct):
    names = {name: name for name in CENTRES_MM if name != "L3"}
    spine = spine_from_label_map(ct, label_map(names))
    assert spine.names == tuple(CENTRES_MM)
    assert "leaves out a vertebra" in spine.numbering.conflict


def test_one_name_for_two_vertebrae_is_said(ct):
    names = {name: name for name in CENTRES_MM} | {"L4": "L3"}
    spine = spine_from_label_map(ct, label_map(names))
    assert "Two segments of the label map are called L3" in spine.numbering.conflict
    assert spine.names[4] == "L4"


def test_two_maps_that_disagree_are_a_declared_conflict(ct):
    spine = spine_from_label_map(ct, label_map())
    other = LabelMap("other", (segment("L4", whole("L5")),))
    assert "Another label map calls L5 L4" in with_disagreement(spine, [other]).numbering.conflict
    assert with_disagreement(spine, [label_map()]).numbering.conflict == spine.numbering.conflict


def test_a_map_of_another_place_is_no_map_of_this_volume(ct):
    moved = AFFINE.copy()
    moved[2, 3] += 1000.0
    with pytest.raises(AnalysisFailed, match="fewer than two vertebrae"):
        spine_from_label_map(Volume(ct.voxels, moved), label_map())
