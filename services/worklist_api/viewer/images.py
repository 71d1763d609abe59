"""Attributes of stored images in the words of the viewer's metadata modules, numbers as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plumbline.errors import InvalidInput
from services.worklist_api.viewer.schemas import SeriesImage, SeriesImages


def series_images(study_instance_uid: str, series_instance_uid: str, images: list[tuple[str, Any]]) -> SeriesImages:
    """Images of a series for the viewer.

    Parameters
    ----------
    images
        SOP Instance UID and attributes by tag of each.

    Raises
    ------
    InvalidInput
        When an attribute that showing needs is missing or not a number.
    """
    first = images[0][1]
    return SeriesImages(
        study_instance_uid=study_instance_uid,
        series_instance_uid=series_instance_uid,
        modality=_text(first, "0008,0060"),
        description=_text(first, "0008,103e"),
        frame_of_reference_uid=_text(first, "0020,0052") or series_instance_uid,
        images=[_image(study_instance_uid, series_instance_uid, uid, values) for uid, values in images],
    )


def _image(study_uid: str, series_uid: str, uid: str, values: Mapping[str, Any]) -> SeriesImage:
    spacing = _numbers(values, "0028,0030") or _numbers(values, "0018,1164")
    return SeriesImage(
        sop_instance_uid=uid,
        address=f"/api/studies/{study_uid}/series/{series_uid}/instances/{uid}/frames/1",
        instance_number=_whole(values, "0020,0013", 0),
        rows=_whole(values, "0028,0010"),
        columns=_whole(values, "0028,0011"),
        samples_per_pixel=_whole(values, "0028,0002", 1),
        photometric_interpretation=_text(values, "0028,0004") or "MONOCHROME2",
        bits_allocated=_whole(values, "0028,0100"),
        bits_stored=_whole(values, "0028,0101"),
        high_bit=_whole(values, "0028,0102"),
        pixel_representation=_whole(values, "0028,0103", 0),
        rescale_slope=(_numbers(values, "0028,1053") or [1.0])[0],
        rescale_intercept=(_numbers(values, "0028,1052") or [0.0])[0],
        window_centre=(_numbers(values, "0028,1050") or [None])[0],
        window_width=(_numbers(values, "0028,1051") or [None])[0],
        position_lps_mm=_numbers(values, "0020,0032"),
        orientation=_numbers(values, "0020,0037"),
        spacing_mm=spacing,
        is_spacing_calibrated=bool(_numbers(values, "0028,0030")),
    )


def _text(values: Mapping[str, Any], tag: str) -> str:
    value = values.get(tag)
    return value if isinstance(value, str) else ""


def _numbers(values: Mapping[str, Any], tag: str) -> list[float] | None:
    text = _text(values, tag)
    if not text:
        return None
    try:
        return [float(part) for part in text.split("\\")]
    except ValueError as error:
        raise InvalidInput("an attribute of the image is not a number", where=tag) from error


def _whole(values: Mapping[str, Any], tag: str, otherwise: int | None = None) -> int:
    found = _numbers(values, tag)
    if found is not None:
        return int(found[0])
    if otherwise is None:
        raise InvalidInput("the image lacks an attribute that showing it needs", where=tag)
    return otherwise
