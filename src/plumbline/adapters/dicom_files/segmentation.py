"""DICOM Segmentation objects to label maps: binary, fractional and label-map kinds (PS3.3 A.51, C.8.20).

Tolerant in reading: frames in any order, cropped or left out, segments that overlap, old (SRT) and new (SCT)
codes. Only frames of named vertebrae are decoded; everything else in a map of a hundred organs stays packed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.sr.coding import Code

from plumbline.anatomy.segment_names import VERTEBRA_BY_SCT, SegmentName, read_segment_name
from plumbline.errors import InvalidInput
from plumbline.imaging.label_maps import FoundLabelMaps, LabelMap, LabelSegment
from plumbline.imaging.volume import Volume

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"

INSIDE_FROM = 0.5
"""Share of the Maximum Fractional Value (0062,000E) from which a voxel belongs to a fractional segment."""

LARGEST_OFF_GRID = 0.25
"""Part of a voxel by which a frame may lie off the grid of the others."""

LARGEST_BRIDGED_GAP = 2
"""So many frames missing inside a segment are filled from their neighbour; more are taken for empty."""

_SAME_DIRECTION = 1e-3
_SAME_PLACE_MM = 0.01


def is_segmentation(header: Dataset) -> bool:
    """Whether an instance is a Segmentation or a Label Map Segmentation."""
    return str(header.get("SOPClassUID", "")) in (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE)


def describes(segmentation: Dataset, image: Dataset) -> bool:
    """Whether a segmentation is of the series of ``image``: it refers to it, or lies in its frame of reference."""
    series_uid = str(image.get("SeriesInstanceUID", ""))
    referenced = {str(each.get("SeriesInstanceUID", "")) for each in segmentation.get("ReferencedSeriesSequence") or ()}
    frame = str(image.get("FrameOfReferenceUID", ""))
    return series_uid in referenced or (bool(frame) and str(segmentation.get("FrameOfReferenceUID", "")) == frame)


def find_label_maps(
    headers: Sequence[Dataset], series_instance_uid: str, read: Callable[[Dataset], Dataset]
) -> FoundLabelMaps:
    """The label maps of vertebrae among a study's instances that describe one of its series.

    Parameters
    ----------
    headers
        Of all instances of the study.
    read
        Gives the whole dataset of a header.
    """
    image = next((each for each in headers if str(each.get("SeriesInstanceUID")) == series_instance_uid), None)
    maps: list[LabelMap] = []
    refusals: list[str] = []
    for header in headers:
        if image is None or not is_segmentation(header) or not describes(header, image) or not _named_segments(header):
            continue
        try:
            maps.append(label_map_from_dataset(read(header)))
        except InvalidInput as error:
            refusals.append(f"A label map of the vertebrae was not used: {error.what}.")
    return FoundLabelMaps(tuple(maps), tuple(refusals))


def label_map_from_dataset(dataset: Dataset) -> LabelMap:
    """The vertebrae of one segmentation.

    Raises
    ------
    InvalidInput
        When it names no vertebra, its frames make no sound grid, or they cannot be decoded.
    """
    named = _named_segments(dataset)
    if not named:
        raise InvalidInput("this segmentation names no vertebra", where=_where(dataset))
    frames = _frames(dataset, named)
    grid = _grid(dataset, frames)
    masks = _masks(dataset, frames, grid, named)
    segments = [LabelSegment(named[number], mask) for number, mask in masks.items()]
    if not segments:
        raise InvalidInput("the vertebrae of this segmentation are empty", where=_where(dataset))
    return LabelMap(_origin(dataset), tuple(segments), is_automatic=_is_automatic(dataset))


# --- names ----------------------------------------------------------------------------------------


def _named_segments(dataset: Dataset) -> dict[int, SegmentName]:
    """Segment numbers that are vertebrae or the sacrum."""
    named: dict[int, SegmentName] = {}
    for item in dataset.get("SegmentSequence") or ():
        name = read_segment_name(_sct_values(item), _texts(item))
        if name is not None and item.get("SegmentNumber") is not None:
            named[int(item.SegmentNumber)] = name
    return named


def _codes(item: Dataset) -> Iterable[Dataset]:
    """Codes of what a segment is and of where it is; modifiers refine but do not name."""
    for keyword in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence"):
        for code in item.get(keyword) or ():
            yield code
            for modifier in ("SegmentedPropertyTypeModifierCodeSequence", "AnatomicRegionModifierSequence"):
                yield from code.get(modifier) or ()


def _sct_values(item: Dataset) -> list[str]:
    """Code values in SNOMED CT terms, old SRT codes translated."""
    values = []
    for code in _codes(item):
        said = Code(str(code.get("CodeValue", "")), str(code.get("CodingSchemeDesignator", "")), "")
        values += [value for value in VERTEBRA_BY_SCT if Code(value, "SCT", "") == said]
    return values


def _texts(item: Dataset) -> list[str]:
    meanings = [str(code.get("CodeMeaning", "")) for code in _codes(item)]
    own = [str(item.get(keyword) or "") for keyword in ("SegmentLabel", "SegmentDescription", "TrackingID")]
    return [*own, *meanings]


def _origin(dataset: Dataset) -> str:
    algorithms = [str(item.get("SegmentAlgorithmName") or "") for item in dataset.get("SegmentSequence") or ()]
    identified = [
        str(each.get("AlgorithmName") or "")
        for item in dataset.get("SegmentSequence") or ()
        for each in item.get("SegmentationAlgorithmIdentificationSequence") or ()
    ]
    others = [str(dataset.get(keyword) or "") for keyword in ("ManufacturerModelName", "SeriesDescription")]
    return next((name for name in (*identified, *algorithms, *others) if name), "label map")


def _is_automatic(dataset: Dataset) -> bool:
    kinds = {str(item.get("SegmentAlgorithmType", "")) for item in dataset.get("SegmentSequence") or ()}
    return kinds <= {"AUTOMATIC", ""}


# --- frames and their grid ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _SegmentFrame:
    """One frame: its place in the pixel data, where it lies, and its segment (None: all, in a label map)."""

    index: int
    segment: int | None
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    pixel_measures: Dataset


@dataclass(frozen=True, eq=False)
class _Grid:
    """Grid of all frames: slices along the normal, and whole-pixel offsets of each frame in its plane.

    Parameters
    ----------
    lps_from_index
        Shape (4, 4).
    place
        By frame index: (slice, row, column) of its first pixel.
    """

    lps_from_index: NDArray[np.float64]
    place: Mapping[int, tuple[int, int, int]]


def _frames(dataset: Dataset, named: Mapping[int, SegmentName]) -> list[_SegmentFrame]:
    """Frames that may hold a named segment."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        raise InvalidInput("this segmentation has no functional groups for its frames", where=_where(dataset))
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    is_label_map = _is_label_map(dataset)
    frames = []
    for index, group in enumerate(groups):
        segment = None if is_label_map else _segment_number(group, shared, dataset)
        if is_label_map or segment in named:
            frames.append(_frame(index, segment, group, shared, dataset))
    if not frames:
        raise InvalidInput("the vertebrae of this segmentation are empty", where=_where(dataset))
    return frames


def _is_label_map(dataset: Dataset) -> bool:
    return str(dataset.get("SegmentationType", "")) == "LABELMAP" or str(dataset.SOPClassUID) == LABEL_MAP_STORAGE


def _segment_number(group: Dataset, shared: Dataset, dataset: Dataset) -> int:
    item = _macro("SegmentIdentificationSequence", group, shared, dataset)
    return int(item.ReferencedSegmentNumber)


def _frame(index: int, segment: int | None, group: Dataset, shared: Dataset, dataset: Dataset) -> _SegmentFrame:
    try:
        position = _macro("PlanePositionSequence", group, shared, dataset).ImagePositionPatient
        orientation = _macro("PlaneOrientationSequence", group, shared, dataset).ImageOrientationPatient
        measures = _macro("PixelMeasuresSequence", group, shared, dataset)
        return _SegmentFrame(
            index, segment, np.array(position, dtype=float), np.array(orientation, dtype=float).reshape(2, 3), measures
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInput("a frame of this segmentation has no place in space", where=_where(dataset)) from error


def _macro(keyword: str, group: Dataset, shared: Dataset, dataset: Dataset) -> Dataset:
    """A functional group macro, per frame or shared (PS3.3 C.7.6.16)."""
    sequence = group.get(keyword) or shared.get(keyword)
    if not sequence:
        raise InvalidInput(f"this segmentation has no {keyword}", where=_where(dataset))
    return sequence[0]


def _grid(dataset: Dataset, frames: Sequence[_SegmentFrame]) -> _Grid:
    """One grid for all frames.

    Raises
    ------
    InvalidInput
        When frames are turned against each other or lie between the grid's places.
    """
    first = frames[0]
    turned = max(float(np.abs(each.orientation - first.orientation).max()) for each in frames)
    try:
        between_rows, between_columns = (float(v) for v in first.pixel_measures.PixelSpacing)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInput("this segmentation has no pixel spacing", where=_where(dataset)) from error
    if turned > _SAME_DIRECTION:
        raise InvalidInput("the frames of this segmentation are turned against each other", where=_where(dataset))
    along_row, along_column = first.orientation
    normal = np.cross(along_row, along_column)
    along = np.array([each.position for each in frames]) @ normal
    step = _slice_step(along, first.pixel_measures)
    axes = np.column_stack([along_row * between_columns, along_column * between_rows, normal * step])
    origin = frames[int(np.argmin(along))].position
    index = np.linalg.solve(axes, (np.array([each.position for each in frames]) - origin).T).T
    whole = np.round(index)
    if np.abs(index - whole).max() > LARGEST_OFF_GRID:
        raise InvalidInput("the frames of this segmentation lie on no one grid", where=_where(dataset))
    lowest = whole.min(axis=0)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = origin + axes @ lowest
    columns, rows, slices = (whole - lowest).astype(int).T
    places = zip(slices.tolist(), rows.tolist(), columns.tolist(), strict=True)
    return _Grid(affine, {frame.index: place for frame, place in zip(frames, places, strict=True)})


def _slice_step(along: NDArray[np.float64], measures: Dataset) -> float:
    """Distance of the grid's slices, mm: as stated where the frames bear it out, else the smallest between frames."""
    gaps = np.diff(np.unique(np.round(along, 3)))
    gaps = gaps[gaps > _SAME_PLACE_MM]
    stated = float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0.0)
    if not len(gaps):
        return stated or 1.0
    steps = gaps / stated if stated > 0 else np.zeros(1)
    is_borne_out = steps.min() > 0.5 and np.abs(steps - np.round(steps)).max() < LARGEST_OFF_GRID
    return stated if is_borne_out else float(gaps.min())


# --- voxels ---------------------------------------------------------------------------------------


def _masks(
    dataset: Dataset, frames: Sequence[_SegmentFrame], grid: _Grid, named: Mapping[int, SegmentName]
) -> dict[int, Volume]:
    """Mask of each named segment in its smallest box."""
    planes: dict[int, list[tuple[tuple[int, int, int], NDArray[np.bool_]]]] = defaultdict(list)
    for frame in frames:
        pixels = _decoded(dataset, frame.index)
        for number in named if frame.segment is None else (frame.segment,):
            inside = pixels == number if frame.segment is None else _is_inside(pixels, dataset)
            if cut := _cut(inside, grid.place[frame.index]):
                planes[number].append(cut)
    return {number: _stacked(cuts, grid) for number, cuts in planes.items()}


def _is_inside(pixels: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    if str(dataset.get("SegmentationType", "")) != "FRACTIONAL":
        return pixels > 0
    return pixels >= INSIDE_FROM * float(dataset.get("MaximumFractionalValue") or 255)


def _cut(
    inside: NDArray[np.bool_], place: tuple[int, int, int]
) -> tuple[tuple[int, int, int], NDArray[np.bool_]] | None:
    """The smallest rectangle of a frame that holds all that is inside, and its place on the grid."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    window = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return (place[0], place[1] + int(rows[0]), place[2] + int(columns[0])), window


def _stacked(cuts: Sequence[tuple[tuple[int, int, int], NDArray[np.bool_]]], grid: _Grid) -> Volume:
    start = np.min([place for place, _ in cuts], axis=0)
    stop = np.max([np.add(place, (1, *window.shape)) for place, window in cuts], axis=0)
    voxels = np.zeros(tuple(stop - start), dtype=bool)
    for place, window in cuts:
        z, y, x = np.array(place) - start
        voxels[z, y : y + window.shape[0], x : x + window.shape[1]] |= window
    _bridge_gaps(voxels)
    affine = grid.lps_from_index.copy()
    affine[:3, 3] += grid.lps_from_index[:3, :3] @ start[::-1]
    return Volume(voxels, affine)


def _bridge_gaps(voxels: NDArray[np.bool_]) -> None:
    """Fill short runs of missing slices inside a segment from the nearer neighbour."""
    held = np.flatnonzero(voxels.any(axis=(1, 2)))
    for lower, upper in pairwise(held):
        if 1 < upper - lower <= LARGEST_BRIDGED_GAP + 1:
            for missing in range(lower + 1, upper):
                voxels[missing] = voxels[lower if missing - lower <= upper - missing else upper]


def _decoded(dataset: Dataset, index: int) -> NDArray[Any]:
    try:
        pixels = pixel_array(dataset, index=index)
    except Exception as error:
        what = f"a frame of this segmentation cannot be decoded ({type(error).__name__})"
        raise InvalidInput(what, where=_where(dataset)) from error
    return pixels


def _where(dataset: Dataset) -> str:
    return str(dataset.get("SOPInstanceUID", "segmentation"))
