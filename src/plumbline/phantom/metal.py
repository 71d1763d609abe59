"""Metal artefacts from their physics, as a difference image that is added to a slice.

A polychromatic beam is sent through metal and body in parallel geometry; what beam hardening, photon
starvation and noise add to the measured line integrals is reconstructed by filtered back-projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from plumbline.phantom.enlargement import Enlargement
from plumbline.phantom.hardware import Material

Field = NDArray[Any]

# 120 kV behind filtration, in six bins: share of detected signal, and linear attenuation per millimetre of
# water and of titanium (NIST XCOM mass attenuation coefficients).
_SIGNAL_SHARE = np.array([0.10, 0.20, 0.24, 0.22, 0.15, 0.09])
_WATER_PER_MM = np.array([0.0227, 0.0206, 0.0193, 0.0184, 0.0171, 0.0161])
_TITANIUM_PER_MM = np.array([0.546, 0.345, 0.247, 0.183, 0.122, 0.094])
_TITANIUM_IN_WATER = (Material.TITANIUM.hu + 1000.0) / 1000.0

_ANGLES = 360
_BIN_MM = 0.8
_BINS = 512
_UPSAMPLING = 4
_AREA_PIXELS = 256
_AREA_PITCH_MM = 1.0
_TAPER_MM = 20.0
_BODY_PITCH_MM = 6.0

_LEAST_METAL_MM = 0.01
"""Rays with less metal measure as they should."""
_FIRST_BIN = int((_BINS - _AREA_PIXELS * _AREA_PITCH_MM / _BIN_MM) / 2.0) - 1
"""The detector's bins from here to as far from its other end are those that the area lies under."""
_SLICES_AT_A_TIME = 8
"""Numpy copies rows of 32 bytes fastest."""
_PIXELS_AT_A_TIME = 8192
_TILE = 32
_ANGLES_AT_A_TIME = 30


@dataclass(frozen=True, slots=True)
class Beam:
    """Dose and reconstruction of a protocol.

    Parameters
    ----------
    photons
        Per ray in air; fewer means more starvation.
    floor_photons
        Electronic noise: no ray is measured below it.
    cutoff
        Share of the detector's highest frequency that the kernel keeps.
    """

    photons: float = 6e5
    floor_photons: float = 12.0
    cutoff: float = 0.75


@lru_cache(maxsize=1)
def _angles_rad() -> NDArray[np.float64]:
    return np.arange(_ANGLES) * np.pi / _ANGLES


@lru_cache(maxsize=1)
def _area_pixels() -> NDArray[np.intp]:
    """Pixels of the area where the artefact is kept, tile by tile, so that neighbours are worked on together."""
    row, column = np.nonzero(_taper() > 0.0)
    tile = (row // _TILE) * (_AREA_PIXELS // _TILE) + column // _TILE
    return (row * _AREA_PIXELS + column)[np.argsort(tile, kind="stable")]


@lru_cache(maxsize=1)
def _back_projector() -> NDArray[np.intp]:
    """Index into the upsampled middle of the detector, shape (angles, pixels of ``_area_pixels``)."""
    axis = ((np.arange(_AREA_PIXELS) - (_AREA_PIXELS - 1) / 2.0) * _AREA_PITCH_MM).astype(np.float32)
    y, x = (axis[each] for each in np.divmod(_area_pixels(), _AREA_PIXELS))
    index = np.empty((_ANGLES, len(x)), dtype=np.intp)
    for row, angle in enumerate(_angles_rad()):
        s = (x * np.cos(angle) + y * np.sin(angle)) / _BIN_MM + (_BINS - 1) / 2.0
        index[row] = np.rint(s * _UPSAMPLING) - _FIRST_BIN * _UPSAMPLING
    return index


@lru_cache(maxsize=4)
def _ramp(cutoff: float) -> Field:
    frequency = fft.rfftfreq(2 * _BINS, d=_BIN_MM)
    highest = cutoff * 0.5 / _BIN_MM
    window = np.where(frequency < highest, 0.5 + 0.5 * np.cos(np.pi * frequency / highest), 0.0)
    return (frequency * window).astype(np.float32)


def _project(
    x_mm: Field, y_mm: Field, area_mm2: Field, bin_mm: float, bins: int, shadow: tuple[Field, Field] | None = None
) -> Field:
    """Line integrals (millimetres) of small areas, shape (angles, bins), splatted linearly.

    ``shadow`` is the lowest and the highest bin of each angle that has to be right, each shape (angles, 1).
    """
    found = np.empty((_ANGLES, bins), dtype=np.float32)
    for first in range(0, _ANGLES, _ANGLES_AT_A_TIME):
        block = slice(first, first + _ANGLES_AT_A_TIME)
        angles = _angles_rad()[block, None]
        s = (np.cos(angles) * x_mm + np.sin(angles) * y_mm) / bin_mm + (bins - 1) / 2.0
        row, weight = np.arange(len(angles))[:, None], area_mm2 / bin_mm
        if shadow is not None:
            flat = np.flatnonzero((s > shadow[0][block] - 1.0) & (s < shadow[1][block] + 1.0))
            row, column = np.divmod(flat, s.shape[1])
            s, weight = s.ravel()[flat], weight[column]
        found[block] = _splatted(row, s, weight, (len(angles), bins))
    return found


def _splatted(row: Field, position: Field, weight: Field, shape: tuple[int, int]) -> Field:
    """Weights divided between the two bins on either side of their positions in a row, float64."""
    low = np.floor(position)
    share = position - low
    place = (row * shape[1] + np.clip(low.astype(np.intp), 0, shape[1] - 2)).ravel()
    found = np.bincount(place, (weight * (1.0 - share)).ravel(), minlength=shape[0] * shape[1])
    found += np.bincount(place + 1, (weight * share).ravel(), minlength=shape[0] * shape[1])
    return found.reshape(shape)


@lru_cache(maxsize=1)
def _water_curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured log attenuation against millimetres of water: the scanner's water correction."""
    depth = np.linspace(0.0, 4000.0, 8001)
    return -np.log(np.exp(-depth[:, None] * _WATER_PER_MM) @ _SIGNAL_SHARE), depth


def _shadow(hit: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Lowest and highest ray of each angle that passes metal, each shape (angles, 1); crossed where none does."""
    lowest = np.argmax(hit, axis=1)
    highest = np.where(hit.any(axis=1), _BINS - 1 - np.argmax(hit[:, ::-1], axis=1), 0)
    return np.where(hit.any(axis=1), lowest, _BINS - 1)[:, None], highest[:, None]


def _body_path_mm(body_hu: Field, pixel_mm: float, centre_yx: tuple[float, float], hit: NDArray[np.bool_]) -> Field:
    """Millimetres of water along the rays that pass metal, shape of ``hit`` (angles, bins); others may be wrong."""
    step = max(1, round(_BODY_PITCH_MM / pixel_mm))
    rows, columns = (n // step for n in body_hu.shape)
    coarse = body_hu[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    water = np.clip((np.minimum(coarse, 1500.0) + 1000.0) / 1000.0, 0.0, None)
    y, x = np.nonzero(water > 0.05)
    offset = (step - 1) / 2.0
    x_mm, y_mm = (x * step + offset - centre_yx[1]) * pixel_mm, (y * step + offset - centre_yx[0]) * pixel_mm
    pitch = step * pixel_mm
    bins = int(2.0 * np.hypot(*body_hu.shape) * pixel_mm / pitch)
    fine = ((np.arange(_BINS) - (_BINS - 1) / 2.0) * _BIN_MM) / pitch + (bins - 1) / 2.0
    low = np.clip(fine.astype(int), 0, bins - 2)
    lowest, highest = _shadow(hit)
    path = _project(x_mm, y_mm, water[y, x] * pitch**2, pitch, bins, (low[lowest], low[highest] + 1))
    share = (fine - low).astype(np.float32)
    return path[:, low] * (1.0 - share) + path[:, low + 1] * share


def _excess_mm(metal_mm: Field, body_mm: Field, hit: NDArray[np.bool_], beam: Beam, rng: np.random.Generator) -> Field:
    """What the scanner measures beyond the truth, in millimetres of water, where rays pass metal."""
    metal, body = metal_mm[hit].astype(float), body_mm[hit].astype(float)
    passing = np.exp(-np.outer(body, _WATER_PER_MM))
    without = passing @ _SIGNAL_SHARE
    passing *= np.exp(-np.outer(metal, _TITANIUM_PER_MM))
    photons = beam.photons * (passing @ _SIGNAL_SHARE)
    noise = np.sqrt(np.maximum(photons - photons**2 / (beam.photons * without), 0.0) + beam.floor_photons)
    measured = np.maximum(photons + noise * rng.standard_normal(len(photons)), beam.floor_photons / 2.0)
    curve, depth = _water_curve()
    excess = np.zeros(metal_mm.shape, dtype=np.float32)
    found = np.interp(-np.log(measured / beam.photons), curve, depth)
    excess[hit] = found - (body + _TITANIUM_IN_WATER * metal)
    return excess


def _reconstructed(excess_mm: Field, cutoff: float) -> Field:
    """Filtered back-projection of line integrals (millimetres of water) to Hounsfield units on the area.

    ``excess_mm`` has the shape (slices, angles, bins); the result is of shape (slices, rows, columns).
    """
    images = np.zeros((len(excess_mm), _AREA_PIXELS**2), dtype=np.float32)
    for start in range(0, len(excess_mm), _SLICES_AT_A_TIME):
        part = slice(start, start + _SLICES_AT_A_TIME)
        images[part, _area_pixels()] = _back_projected(_upsampled(_filtered(excess_mm[part], cutoff))).T
    images *= np.pi / _ANGLES * 1000.0 * _taper().ravel()
    return images.reshape(-1, _AREA_PIXELS, _AREA_PIXELS)


def _filtered(excess_mm: Field, cutoff: float) -> Field:
    """Projections after the ramp, those bins that the area lies under; shape (angles, bins, slices)."""
    spectrum = fft.rfft(excess_mm, n=2 * _BINS) * _ramp(cutoff)
    filtered = fft.irfft(spectrum, n=2 * _BINS)[..., _FIRST_BIN : _BINS - _FIRST_BIN]  # type: ignore[index]
    return np.ascontiguousarray(np.moveaxis(filtered, 0, -1), dtype=np.float32)


def _upsampled(filtered: Field) -> Field:
    """Projections with ``_UPSAMPLING`` times as many bins, linear."""
    angles, bins, slices = filtered.shape
    fine = np.empty((angles, bins - 1, _UPSAMPLING, slices), dtype=np.float32)
    for step in range(_UPSAMPLING):
        share = np.float32(step / _UPSAMPLING)
        fine[:, :, step] = filtered[:, :-1] * (1 - share) + filtered[:, 1:] * share
    return fine.reshape(angles, -1, slices)


def _back_projected(fine: Field) -> Field:
    """Sum over the angles of what each pixel of ``_area_pixels`` sees, shape (pixels, slices)."""
    image = np.zeros((len(_area_pixels()), fine.shape[2]), dtype=np.float32)
    for start in range(0, len(image), _PIXELS_AT_A_TIME):
        part = image[start : start + _PIXELS_AT_A_TIME]
        seen = np.empty_like(part)
        for row, index in zip(fine, _back_projector()[:, start : start + _PIXELS_AT_A_TIME], strict=True):
            part += np.take(row, index, axis=0, out=seen, mode="clip")
    return image


@lru_cache(maxsize=1)
def _taper() -> Field:
    axis = np.abs((np.arange(_AREA_PIXELS) - (_AREA_PIXELS - 1) / 2.0) * _AREA_PITCH_MM)
    edge = _AREA_PIXELS * _AREA_PITCH_MM / 2.0
    radius = np.hypot(*np.meshgrid(axis, axis, indexing="ij"))
    return np.clip((edge - 2.0 - radius) / _TAPER_MM, 0.0, 1.0).astype(np.float32)


def metal_artefact_hu(metal: Field, body_hu: Field, pixel_mm: float, beam: Beam, rng: np.random.Generator) -> Field:
    """What metal adds to one slice, Hounsfield units; see ``metal_artefacts_hu``."""
    return metal_artefacts_hu(metal[None], body_hu[None], pixel_mm, beam, [rng])[0]


def metal_artefacts_hu(
    metal: Field, body_hu: Field, pixel_mm: float, beam: Beam, rngs: Sequence[np.random.Generator]
) -> Field:
    """What metal adds to slices, Hounsfield units, shape of ``metal``.

    Parameters
    ----------
    metal
        Shape (slices, rows, columns): share of each voxel filled by metal, in titanium (above 1 for denser metal).
        Every slice has some.
    body_hu
        The slices without metal artefacts, same shape.
    pixel_mm
        Pixel edge.
    beam
        Dose and kernel.
    rngs
        Of the photon noise of each slice.
    """
    centres = []
    excess = np.empty((len(metal), _ANGLES, _BINS), dtype=np.float32)
    for index, (share, body, rng) in enumerate(zip(metal, body_hu, rngs, strict=True)):
        y, x = np.nonzero(share > 1e-3)
        weight = share[y, x]
        centre = (float(np.average(y, weights=weight)), float(np.average(x, weights=weight)))
        area = weight * pixel_mm**2
        path = _project((x - centre[1]) * pixel_mm, (y - centre[0]) * pixel_mm, area, _BIN_MM, _BINS)
        hit = path > _LEAST_METAL_MM
        excess[index] = _excess_mm(path, _body_path_mm(body, pixel_mm, centre, hit), hit, beam, rng)
        centres.append(centre)
    artefacts = np.empty(metal.shape, dtype=np.float32)
    for index, (image, centre) in enumerate(zip(_reconstructed(excess, beam.cutoff), centres, strict=True)):
        artefacts[index] = _placed(image, centre, metal.shape[1:], pixel_mm)
    return artefacts


def _placed(image: Field, centre_yx: tuple[float, float], shape: tuple[int, int], pixel_mm: float) -> Field:
    """An image of the area about a centre, at the pixels of a slice; the image is 0 at its border."""
    for axis, (count, centre) in enumerate(zip(shape, centre_yx, strict=True)):
        position = (np.arange(count) - centre) * pixel_mm / _AREA_PITCH_MM + (_AREA_PIXELS - 1) / 2.0
        image = Enlargement.at(position, _AREA_PIXELS).along(image, axis)
    return image
