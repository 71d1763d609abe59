"""DICOM CT and MR instances to a ``Volume``: pixel decoding, rescale, enhanced multi-frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array

from plumbline.errors import InvalidInput
from plumbline.imaging.stacking import Plane, stack_planes
from plumbline.imaging.tilt import without_tilt
from plumbline.imaging.volume import Volume

AIR_HU = -1024

LARGEST_BROKEN_SHARE = 0.05
"""A series with more broken instances than this is refused."""


@dataclass(frozen=True, eq=False)
class _Frame:
    plane: Plane
    slope: float
    intercept: float
    stored: NDArray[np.generic]
    padding: int | None
    told_apart: tuple[str, ...] = ()
    """Values of ``_TELLING_APART``, by which volumes of the same slices are told apart; empty where absent."""
    is_localiser: bool = False
    """Whether Image Type says so: some scanners file the localiser among the slices that were planned on it."""


def volume_from_datasets(datasets: Iterable[Dataset]) -> Volume:
    """One volume from the instances of a series, its localisers left out; of each no more is kept than its pixels.

    Returns
    -------
    Volume
        int16 where the rescale keeps whole numbers within its range, else float32. Pixel padding
        becomes air.

    Raises
    ------
    InvalidInput
        When more than a few instances cannot be decoded or have no plane geometry, the series holds several
        volumes of the same slices, or the planes make no sound volume.
    """
    frames, broken = _readable_frames(datasets)
    frames = [frame for frame in frames if not frame.is_localiser] or frames
    _refuse_several_volumes(frames)
    stack = stack_planes([frame.plane for frame in frames])
    whole = all(frame.slope.is_integer() and frame.intercept.is_integer() for frame in frames)
    shape = (len(stack.order), frames[0].plane.rows, frames[0].plane.columns)
    voxels = np.empty(shape, dtype=np.int16 if whole else np.float32)
    waiting = dict(enumerate(frames))
    del frames
    for slice_index, frame_index in enumerate(stack.order):
        voxels[slice_index] = _rescaled(waiting.pop(frame_index), voxels.dtype)
    notes = [note for note in (broken, stack.note) if note]
    return without_tilt(Volume(voxels, stack.lps_from_index, " ".join(notes) or None))


def _readable_frames(datasets: Iterable[Dataset]) -> tuple[list[_Frame], str | None]:
    """Frames of the instances that can be decoded, and a sentence about the others; refused where they are many."""
    frames: list[_Frame] = []
    refusals: list[InvalidInput] = []
    count = 0
    for count, dataset in enumerate(datasets, start=1):  # noqa: B007 (how many there were is asked below)
        try:
            frames += _frames(dataset)
        except InvalidInput as error:
            refusals.append(error)
    if len(refusals) > LARGEST_BROKEN_SHARE * count:
        raise refusals[0]
    if not refusals:
        return frames, None
    return (
        frames,
        f"{len(refusals)} of {count} instances could not be used, the first because it {_why(refusals[0])}.",
    )


def _why(error: InvalidInput) -> str:
    return error.what.removeprefix("this instance ")


def _rescaled(frame: _Frame, dtype: np.dtype[Any]) -> NDArray[np.generic]:
    if frame.slope == 1 and dtype == np.int16:
        values = frame.stored.astype(np.int32) + int(frame.intercept)
    else:
        values = frame.stored.astype(np.float32) * frame.slope + frame.intercept
    if frame.padding is not None:
        values[frame.stored == frame.padding] = AIR_HU
    if dtype == np.int16:
        values = np.clip(values, -32768, 32767)
    return values.astype(dtype)


_TELLING_APART = (
    ("Temporal Position", "FrameContentSequence", ("TemporalPositionIndex", "TemporalPositionIdentifier")),
    ("Stack ID", "FrameContentSequence", ("StackID",)),
    ("Acquisition Number", "FrameContentSequence", ("FrameAcquisitionNumber", "AcquisitionNumber")),
    ("Image Type", "CTImageFrameTypeSequence", ("FrameType", "ImageType")),
    ("Convolution Kernel", "CTReconstructionSequence", ("ConvolutionKernel",)),
    ("kVp", "CTXRayDetailsSequence", ("KVP",)),
)
"""Attributes of which phases, acquisitions and reconstructions differ: their name for people, the functional group that
holds them in an enhanced object (PS3.3 C.7.6.16, C.8.15.3), and the keywords there and in a single-frame instance."""


def _refuse_several_volumes(frames: Sequence[_Frame]) -> None:
    """Refuse phases, acquisitions or reconstructions of the same slices in one series: which to measure is not told."""
    places = Counter(tuple(round(each, 2) for each in frame.plane.position_lps_mm) for frame in frames)
    if not places or max(places.values()) < 2:
        return
    for number, (name, _, _) in enumerate(_TELLING_APART):
        values = sorted({frame.told_apart[number] for frame in frames} - {""})
        if len(values) >= max(places.values()):
            raise InvalidInput(
                f"this series holds {len(values)} volumes of the same slices, told apart by {name} "
                f"({', '.join(values)})",
                remedy="Send each as a series of its own",
            )


def _told_apart(group: Dataset, shared: Dataset, image: Dataset) -> tuple[str, ...]:
    found = []
    for _, sequence, keywords in _TELLING_APART:
        items = [each[0] for each in (group.get(sequence), shared.get(sequence)) if each]
        values = (str(item.get(keyword) or "") for item in (*items, image) for keyword in keywords)
        found.append(next((value for value in values if value), ""))
    return tuple(found)


def _frames(dataset: Dataset) -> Iterator[_Frame]:
    pixels = _decoded(dataset)
    padding = dataset.get("PixelPaddingValue")
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        if pixels.ndim != 2:
            raise _refusal(dataset, "is a multi-frame image without functional groups")
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        plane = _plane(dataset, dataset, dataset, dataset)
        told_apart = _told_apart(Dataset(), Dataset(), dataset)
        yield _Frame(plane, slope, intercept, pixels, padding, told_apart, _is_localiser(dataset))
        return
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    stack = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    groups = dataset.PerFrameFunctionalGroupsSequence
    if len(groups) != len(stack):
        raise _refusal(dataset, f"has {len(stack)} frames but describes {len(groups)}")
    for group, stored in zip(groups, stack, strict=True):
        yield _enhanced_frame(dataset, group, shared, stored, padding)


def _enhanced_frame(
    dataset: Dataset, group: Dataset, shared: Dataset, stored: NDArray[np.generic], padding: int | None
) -> _Frame:
    position, orientation, measures = (
        _macro(keyword, group, shared, dataset)
        for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    )
    rescale = group.get("PixelValueTransformationSequence") or shared.get("PixelValueTransformationSequence")
    values = rescale[0] if rescale else Dataset()
    return _Frame(
        _plane(dataset, position, orientation, measures),
        float(values.get("RescaleSlope", 1)),
        float(values.get("RescaleIntercept", 0)),
        stored,
        padding,
        _told_apart(group, shared, dataset),
        _is_localiser(dataset),
    )


def _is_localiser(dataset: Dataset) -> bool:
    return "LOCALIZER" in (dataset.get("ImageType") or ())


def _macro(keyword: str, group: Dataset, shared: Dataset, dataset: Dataset) -> Dataset:
    """A functional group macro, per frame or shared (PS3.3 C.7.6.16)."""
    sequence = group.get(keyword) or shared.get(keyword)
    if not sequence:
        raise _refusal(dataset, f"has no {keyword}")
    return sequence[0]


def _plane(image: Dataset, position: Dataset, orientation: Dataset, measures: Dataset) -> Plane:
    try:
        return Plane(
            position_lps_mm=tuple(float(v) for v in position.ImagePositionPatient),  # type: ignore[arg-type]
            orientation=tuple(float(v) for v in orientation.ImageOrientationPatient),
            spacing_mm=tuple(float(v) for v in measures.PixelSpacing),  # type: ignore[arg-type]
            rows=int(image.Rows),
            columns=int(image.Columns),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise _refusal(image, "lacks its position, orientation or pixel spacing") from error


def _decoded(dataset: Dataset) -> NDArray[np.generic]:
    try:
        if int(dataset.get("SamplesPerPixel", 1)) != 1:
            raise _refusal(dataset, "is a colour image")
        return pixel_array(dataset)
    except InvalidInput:
        raise
    except Exception as error:
        raise _refusal(dataset, f"cannot be decoded ({type(error).__name__})") from error


def _refusal(dataset: Dataset, what: str) -> InvalidInput:
    return InvalidInput(f"this instance {what}", where=str(dataset.get("SOPInstanceUID", "instance")))
