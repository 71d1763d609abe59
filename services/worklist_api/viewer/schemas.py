"""What the viewer is told, and what it sends."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class SeriesImage(_Schema):
    """One image: where its pixel data is, and how to read and place it."""

    sop_instance_uid: str
    address: str
    instance_number: int
    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    rescale_slope: float
    rescale_intercept: float
    window_centre: float | None
    window_width: float | None
    position_lps_mm: list[float] | None
    orientation: list[float] | None
    spacing_mm: list[float] | None
    """Between rows, between columns."""
    is_spacing_calibrated: bool
    """False where it is that of the detector, so that lengths are magnified."""


class SeriesImages(_Schema):
    """The images of a series."""

    study_instance_uid: str
    series_instance_uid: str
    modality: str
    description: str
    frame_of_reference_uid: str
    images: list[SeriesImage]
