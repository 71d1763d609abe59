"""Metal artefacts from their physics, as a difference image that is added to a slice.

A polychromatic beam is sent through metal and body in parallel geometry; what beam hardening, photon
starvation and noise add to the measured line integrals is reconstructed by filtered back-projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

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
def _back_projector() -> NDArray[np.intp]:
    """Index into the upsampled detector for every angle and pixel of the area, shape (angles, pixels)."""
    axis = ((np.arange(_AREA_PIXELS) - (_AREA_PIXELS - 1) / 2.0) * _AREA_PITCH_MM).astype(np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    index = np.empty((_ANGLES, _AREA_PIXELS**2), dtype=np.intp)
    for row, angle in enumerate(_angles_rad()):
        s = (x * np.cos(angle) + y * np.sin(angle)).ravel() / _BIN_MM + (_BINS - 1) / 2.0
        index[row] = np.clip(np.rint(s * _UPSAMPLING), 0, _BINS * _UPSAMPLING - 1)
    return index


@lru_cache(maxsize=4)
def _ramp(cutoff: float) -> Field:
    frequency = fft.rfftfreq(2 * _BINS, d=_BIN_MM)
    highest = cutoff * 0.5 / _BIN_MM
    window = np.where(frequency < highest, 0.5 + 0.5 * np.cos(np.pi * frequency / highest), 0.0)
    return (frequency * window).astype(np.float32)


def _project(x_mm: Field, y_mm: Field, area_mm2: Field, bin_mm: float, bins: int) -> Field:
    """Line integrals (millimetres) of small areas, shape (angles, bins), splatted linearly."""
    angles = _angles_rad()[:, None]
    s = (np.cos(angles) * x_mm + np.sin(angles) * y_mm) / bin_mm + (bins - 1) / 2.0
    low = np.floor(s).astype(np.int64)
    share = s - low
    low = np.clip(low, 0, bins - 2)
    base = (np.arange(_ANGLES) * bins)[:, None] + low
    weights = np.broadcast_to(area_mm2 / bin_mm, s.shape)
    found = np.bincount(base.ravel(), (weights * (1.0 - share)).ravel(), minlength=_ANGLES * bins)
    found += np.bincount(base.ravel() + 1, (weights * share).ravel(), minlength=_ANGLES * bins)
    return found.reshape(_ANGLES, bins).astype(np.float32)


@lru_cache(maxsize=1)
def _water_curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured log attenuation against millimetres of water: the scanner's water correction."""
    depth = np.linspace(0.0, 4000.0, 8001)
    return -np.log(np.exp(-depth[:, None] * _WATER_PER_MM) @ _SIGNAL_SHARE), depth


def _body_path_mm(body_hu: Field, pixel_mm: float, centre_yx: tuple[float, float]) -> Field:
    """Millimetres of water along every ray, shape (angles, bins)."""
    step = max(1, round(_BODY_PITCH_MM / pixel_mm))
    rows, columns = (n // step for n in body_hu.shape)
    coarse = body_hu[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    water = np.clip((np.minimum(coarse, 1500.0) + 1000.0) / 1000.0, 0.0, None)
    y, x = np.nonzero(water > 0.05)
    offset = (step - 1) / 2.0
    x_mm, y_mm = (x * step + offset - centre_yx[1]) * pixel_mm, (y * step + offset - centre_yx[0]) * pixel_mm
    pitch = step * pixel_mm
    bins = int(2.0 * np.hypot(*body_hu.shape) * pixel_mm / pitch)
    path = _project(x_mm, y_mm, water[y, x] * pitch**2, pitch, bins)
    fine = ((np.arange(_BINS) - (_BINS - 1) / 2.0) * _BIN_MM) / pitch + (bins - 1) / 2.0
    low = np.clip(fine.astype(int), 0, bins - 2)
    share = (fine - low).astype(np.float32)
    return path[:, low] * (1.0 - share) + path[:, low + 1] * share


def _excess_mm(metal_mm: Field, body_mm: Field, beam: Beam, rng: np.random.Generator) -> Field:
    """What the scanner measures beyond the truth, in millimetres of water, where rays pass metal."""
    hit = metal_mm > 0.01
    metal, body = metal_mm[hit].astype(float), body_mm[hit].astype(float)
    signal = np.exp(-np.outer(body, _WATER_PER_MM) - np.outer(metal, _TITANIUM_PER_MM)) @ _SIGNAL_SHARE
    without = np.exp(-np.outer(body, _WATER_PER_MM)) @ _SIGNAL_SHARE
    photons = beam.photons * signal
    noise = np.sqrt(np.maximum(photons - photons**2 / (beam.photons * without), 0.0) + beam.floor_photons)
    measured = np.maximum(photons + noise * rng.standard_normal(len(photons)), beam.floor_photons / 2.0)
    curve, depth = _water_curve()
    excess = np.zeros(metal_mm.shape, dtype=np.float32)
    found = np.interp(-np.log(measured / beam.photons), curve, depth)
    excess[hit] = found - (body + _TITANIUM_IN_WATER * metal)
    return excess


def _reconstructed(excess_mm: Field, cutoff: float) -> Field:
    """Filtered back-projection of line integrals (millimetres of water) to Hounsfield units on the area."""
    spectrum = fft.rfft(excess_mm, n=2 * _BINS, axis=1) * _ramp(cutoff)
    filtered = fft.irfft(spectrum, n=2 * _BINS, axis=1)[:, :_BINS].astype(np.float32)  # type: ignore[arg-type]
    position = np.arange(_BINS * _UPSAMPLING) / _UPSAMPLING
    low = np.minimum(position.astype(int), _BINS - 2)
    share = (position - low).astype(np.float32)
    fine = filtered[:, low] * (1.0 - share) + filtered[:, low + 1] * share
    image = np.zeros(_AREA_PIXELS**2, dtype=np.float32)
    for row, index in zip(fine, _back_projector(), strict=True):
        image += np.take(row, index)
    return image.reshape(_AREA_PIXELS, _AREA_PIXELS) * (np.pi / _ANGLES * 1000.0)


@lru_cache(maxsize=1)
def _taper() -> Field:
    axis = np.abs((np.arange(_AREA_PIXELS) - (_AREA_PIXELS - 1) / 2.0) * _AREA_PITCH_MM)
    edge = _AREA_PIXELS * _AREA_PITCH_MM / 2.0
    radius = np.hypot(*np.meshgrid(axis, axis, indexing="ij"))
    return np.clip((edge - 2.0 - radius) / _TAPER_MM, 0.0, 1.0).astype(np.float32)


def metal_artefact_hu(metal: Field, body_hu: Field, pixel_mm: float, beam: Beam, rng: np.random.Generator) -> Field:
    """What metal adds to one slice, Hounsfield units.

    Parameters
    ----------
    metal
        Shape (rows, columns): share of each pixel filled by metal, in titanium (above 1 for denser metal).
    body_hu
        The slice without metal artefacts, same shape.
    pixel_mm
        Pixel edge.
    beam
        Dose and kernel.
    rng
        Of the photon noise.
    """
    y, x = np.nonzero(metal > 1e-3)
    weight = metal[y, x]
    centre = (float(np.average(y, weights=weight)), float(np.average(x, weights=weight)))
    area = weight * pixel_mm**2
    path = _project((x - centre[1]) * pixel_mm, (y - centre[0]) * pixel_mm, area, _BIN_MM, _BINS)
    excess = _excess_mm(path, _body_path_mm(body_hu, pixel_mm, centre), beam, rng)
    image = _reconstructed(excess, beam.cutoff) * _taper()
    scale = pixel_mm / _AREA_PITCH_MM
    offset = (_AREA_PIXELS - 1) / 2.0 - np.array(centre) * scale
    return ndimage.affine_transform(image, np.full(2, scale), offset, output_shape=metal.shape, order=1)  # type: ignore[arg-type]
