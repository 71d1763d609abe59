"""A virtual CT scanner: renders a scene to Hounsfield units with the flaws of a real one.

Everything is drawn from signed distances, so that edges carry their true position in their partial volume.
Slices are made in slabs to keep memory small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import InvalidInput
from plumbline.imaging.volume import Volume
from plumbline.phantom.blurring import blurred
from plumbline.phantom.bone_samples import BoneSampler
from plumbline.phantom.enlargement import Enlargement
from plumbline.phantom.hardware import Implant, Material, Part
from plumbline.phantom.metal import Beam, metal_artefacts_hu
from plumbline.phantom.scene import Scene
from plumbline.phantom.torso import AIR_HU, FAT_HU, Habitus, SoftTissue, Trunk, draw_slice

Points = NDArray[Any]
Field = NDArray[Any]

_SLAB_SLICES = 24
_COARSE_PLANE_MM = 2.5
_COARSE_SLICE_MM = 3.0
_SUBSLICE_MM = 0.6
_DISC_HU = 82.0
_DISC_EDGE_MM = 1.2
_METAL_SAMPLES = 2
_LEAST_METAL = 0.02
"""A slice with no fuller voxel than this shows no artefact."""
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True, slots=True)
class Kernel:
    """How sharp a reconstruction is, and how noisy.

    Parameters
    ----------
    fwhm_mm
        Width of the in-plane point spread.
    edge
        Strength of edge enhancement, 0 for none.
    noise_hu
        Standard deviation in the middle of the body at 1 mm slices.
    noise_cutoff
        Share of the highest frequency that noise reaches.
    """

    fwhm_mm: float
    edge: float
    noise_hu: float
    noise_cutoff: float


SOFT = Kernel(fwhm_mm=1.15, edge=0.0, noise_hu=17.0, noise_cutoff=0.62)
BONE = Kernel(fwhm_mm=0.75, edge=0.35, noise_hu=42.0, noise_cutoff=0.95)


_USUAL_BEAM = Beam()


@dataclass(frozen=True, slots=True)
class Protocol:
    """Acquisition and reconstruction of one series.

    Parameters
    ----------
    rows, columns, pixel_mm
        Matrix and pixel edge.
    slices, spacing_mm, thickness_mm
        Of the stack; thickness is the full width at half maximum of the slice profile.
    centre_lps_mm
        Middle of the stack; the middle of the scene's vertebrae when None.
    kernel, beam
        Reconstruction and dose.
    largest_hu
        3071 for scanners that store 12 bits, more for an extended scale.
    has_table, has_artefacts, has_noise
        What is drawn besides the patient.
    """

    rows: int = 512
    columns: int = 512
    pixel_mm: float = 0.7
    slices: int = 200
    spacing_mm: float = 1.0
    thickness_mm: float = 1.0
    centre_lps_mm: tuple[float, float, float] | None = None
    kernel: Kernel = SOFT
    beam: Beam = _USUAL_BEAM
    largest_hu: float = 3071.0
    has_table: bool = True
    has_artefacts: bool = True
    has_noise: bool = True

    def __post_init__(self) -> None:
        if min(self.rows, self.columns, self.slices) < 1 or min(self.pixel_mm, self.spacing_mm) <= 0:
            raise InvalidInput("a protocol needs at least one voxel of positive size")

    def lps_from_index(self, centre_lps_mm: Points) -> Points:
        """Geometry of the stack (axial, slices from caudal to cranial), shape (4, 4)."""
        affine = np.diag([self.pixel_mm, self.pixel_mm, self.spacing_mm, 1.0])
        middle = np.array([self.columns - 1, self.rows - 1, self.slices - 1]) / 2.0
        affine[:3, 3] = np.asarray(centre_lps_mm) - affine[:3, :3] @ middle
        return affine


def render(scene: Scene, protocol: Protocol, seed: int) -> Volume:
    """A CT volume of a scene: int16 Hounsfield units of shape (slices, rows, columns), caudal slice first."""
    return _Rendering(scene, protocol, seed).volume()


def scene_centre_mm(scene: Scene) -> Points:
    """Where a technologist would centre a lumbar CT: between L1 and the lower sacrum, a little in front of the wall."""
    upper = scene.centre_lps_mm("L1")
    lower = scene.centre_lps_mm("S1")
    return 0.5 * (upper + lower) + np.array([0.0, -20.0, 5.0])


class _Rendering:
    """One call of ``render``: the geometry and the random numbers that its steps share."""

    def __init__(self, scene: Scene, protocol: Protocol, seed: int) -> None:
        self.scene = scene
        self.protocol = protocol
        self.seed = seed
        centre = protocol.centre_lps_mm
        self.affine = protocol.lps_from_index(scene_centre_mm(scene) if centre is None else np.array(centre))
        self.subslices = max(1, int(np.ceil(protocol.spacing_mm / _SUBSLICE_MM)))
        self.margin = max(1, int(np.ceil(protocol.thickness_mm / protocol.spacing_mm)))

    def volume(self) -> Volume:
        protocol = self.protocol
        voxels = np.empty((protocol.slices, protocol.rows, protocol.columns), dtype=np.int16)
        for start in range(0, protocol.slices, _SLAB_SLICES):
            stop = min(start + _SLAB_SLICES, protocol.slices)
            voxels[start:stop] = self._slab(start, stop)
        return Volume(voxels, self.affine)

    def _slab(self, start: int, stop: int) -> NDArray[np.int16]:
        hu = self._soft_slab(start, stop)
        self._draw_discs(hu, start)
        for bone, exam_from_own in self._bones:
            self._draw_bone(hu, start, bone, exam_from_own)
        metal = np.zeros_like(hu) if self.scene.implants else None
        for implant in self.scene.implants:
            self._draw_implant(hu, metal, start, implant)
        self._finish(hu, metal, start)
        return np.rint(hu).astype(np.int16)

    # Soft tissue ---------------------------------------------------------------------------------

    @cached_property
    def _coarse(self) -> tuple[SoftTissue, Points]:
        """Soft tissue on a coarse grid of the exam, and its (slice, row, column) steps in fine voxels."""
        protocol = self.protocol
        size = np.array([protocol.slices, protocol.rows, protocol.columns])
        pitch = np.array([protocol.spacing_mm, protocol.pixel_mm, protocol.pixel_mm])
        wanted = np.array([_COARSE_SLICE_MM, _COARSE_PLANE_MM, _COARSE_PLANE_MM])
        counts = np.maximum(np.ceil((size - 1) * pitch / wanted).astype(int) + 1, 2)
        steps = np.maximum((size - 1) / (counts - 1), 1e-9)
        axes = [np.arange(n, dtype=np.float32) * step for n, step in zip(counts, steps, strict=True)]
        z, y, x = np.meshgrid(*axes, indexing="ij")
        exam = np.stack([x, y, z], axis=-1) @ self.affine[:3, :3].T.astype(np.float32) + self.affine[:3, 3]
        patient = self.scene.posture.exam_from_patient.inverse().apply(exam).astype(np.float32)
        trunk = Trunk(Habitus.draw(self.scene.habitus_seed), self.scene.wall_line_mm)
        return trunk.soft_tissue(patient), steps

    def _soft_slab(self, start: int, stop: int) -> Field:
        tissue, steps = self._coarse
        protocol = self.protocol
        rows, columns = (
            Enlargement.at(np.arange(count) / step, coarse)
            for count, step, coarse in zip(
                (protocol.rows, protocol.columns), steps[1:], tissue.skin_mm.shape[1:], strict=True
            )
        )
        hu = np.empty((stop - start, protocol.rows, protocol.columns), dtype=np.float32)
        for index in range(start, stop):
            planes = [
                rows.along(columns.along(_plane(field, index / steps[0]), axis=1), axis=0)
                for field in (tissue.skin_mm, tissue.muscle_mm, tissue.background_hu)
            ]
            hu[index - start] = draw_slice(*planes, width_mm=protocol.pixel_mm)
            if protocol.has_table:
                np.maximum(hu[index - start], self._table, out=hu[index - start])
        return hu

    @cached_property
    def _table(self) -> Field:
        """The couch: a curved shell of carbon fibre under the back, the same in every slice."""
        trunk = Trunk(Habitus.draw(self.scene.habitus_seed), self.scene.wall_line_mm)
        back = trunk.back_mm + 24.0
        protocol = self.protocol
        x = self.affine[0, 3] + protocol.pixel_mm * np.arange(protocol.columns)
        y = self.affine[1, 3] + protocol.pixel_mm * np.arange(protocol.rows)
        sag = back - 0.00055 * x[None, :] ** 2
        shell = np.minimum(
            np.abs(y[:, None] - sag) - 1.0, np.abs(y[:, None] - sag - 22.0 - 0.0004 * x[None, :] ** 2) - 1.0
        )
        foam = np.where((y[:, None] > sag) & (y[:, None] < sag + 22.0), -930.0, AIR_HU)
        inside = (np.abs(x[None, :]) < 205.0) * np.clip(0.5 - shell / protocol.pixel_mm, 0.0, 1.0)
        return (foam * (np.abs(x[None, :]) < 205.0) + AIR_HU * (np.abs(x[None, :]) >= 205.0) + inside * 790.0).astype(
            np.float32
        )

    # Solids --------------------------------------------------------------------------------------

    def _window(self, corners_lps_mm: Points, start: int, slices: int) -> tuple[slice, slice, slice] | None:
        """Part of a slab (slice, row, column) that a box of points can reach, or None."""
        index = (corners_lps_mm - self.affine[:3, 3]) / np.diag(self.affine)[:3]
        index = index[:, ::-1] - np.array([start, 0, 0])
        low = np.floor(index.min(axis=0)).astype(int) - np.array([self.margin, 1, 1])
        high = np.ceil(index.max(axis=0)).astype(int) + np.array([self.margin, 1, 1]) + 1
        limits = np.array([slices, self.protocol.rows, self.protocol.columns])
        low, high = np.clip(low, 0, limits), np.clip(high, 0, limits)
        if np.any(low >= high):
            return None
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def _subslice_count(self, window: tuple[slice, slice, slice]) -> int:
        return (window[0].stop - window[0].start + 2 * self.margin) * self.subslices

    def _subslice_origin(self, window: tuple[slice, slice, slice], start: int) -> float:
        """Slice index of the first sub-slice of a window."""
        return start + window[0].start - self.margin - 0.5 + 0.5 / self.subslices

    def _profile(self, window: tuple[slice, slice, slice], subslices: Field) -> Field:
        """Average sub-slices (first axis) over the slice profile."""
        slices = window[0].stop - window[0].start
        position = (np.arange(self._subslice_count(window)) + 0.5) / self.subslices - self.margin - 0.5
        offset = (position[None, :] - np.arange(slices)[:, None]) * self.protocol.spacing_mm
        weights = np.exp(-0.5 * (offset * _FWHM_PER_SIGMA / self.protocol.thickness_mm) ** 2)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        flat = weights @ subslices.reshape(len(subslices), -1)
        return flat.reshape(slices, *subslices.shape[1:])

    @cached_property
    def _bones(self) -> list[tuple[BoneSampler, RigidTransform]]:
        """Every bone, and where it lies in the exam."""
        steps = np.diag(self.affine)[:3].copy()
        steps[2] /= self.subslices
        width = max(self.protocol.pixel_mm, self.protocol.spacing_mm / self.subslices)
        found = []
        for bone, carrier in self.scene.spine.bones.values():
            exam_from_own = self.scene.exam_from_own(carrier)
            own_from_lattice = (exam_from_own.inverse().rotation * steps)[:, ::-1]
            found.append((BoneSampler(bone, own_from_lattice, width), exam_from_own))
        return found

    def _draw_bone(self, hu: Field, start: int, bone: BoneSampler, exam_from_own: RigidTransform) -> None:
        window = self._window(exam_from_own.apply(bone.corners_mm()), start, len(hu))
        if window is None:
            return
        first = np.array([window[2].start, window[1].start, self._subslice_origin(window, start)])
        corner = exam_from_own.inverse().apply(self.affine[:3, 3] + np.diag(self.affine)[:3] * first)
        target = hu[window]
        _, rows, columns = target.shape
        share, colour = (
            self._profile(window, samples)[:, :rows, :columns]
            for samples in bone.samples(corner, (self._subslice_count(window), rows, columns))
        )
        target *= 1.0 - share
        target += colour

    def _window_axes(self, window: tuple[slice, slice, slice], start: int, samples: int) -> tuple[Field, Field, Field]:
        """Exam x, y and z of the samples of a window, ``samples`` per pixel edge; each along its own axis."""
        fine = (np.arange(samples) + 0.5) / samples - 0.5
        y, x = (
            (np.arange(part.start, part.stop)[:, None] + fine).ravel() * self.protocol.pixel_mm + origin
            for part, origin in ((window[1], self.affine[1, 3]), (window[2], self.affine[0, 3]))
        )
        first = self._subslice_origin(window, start)
        z = (first + np.arange(self._subslice_count(window)) / self.subslices) * self.protocol.spacing_mm
        return x, y, z + self.affine[2, 3]

    def _window_points(self, window: tuple[slice, slice, slice], start: int, samples: int) -> Field:
        """Exam LPS points of a window, shape (sub-slices, rows, columns, 3)."""
        x, y, z = self._window_axes(window, start, samples)
        z_axis, y_axis, x_axis = np.meshgrid(z, y, x, indexing="ij")
        return np.stack([x_axis, y_axis, z_axis], axis=-1)

    def _draw_discs(self, hu: Field, start: int) -> None:
        """Discs fill the space between neighbouring bodies; bone is drawn over them."""
        spine = self.scene.spine
        for upper, lower in zip(spine.names[:-1], spine.names[1:], strict=True):
            above, below = self.scene.exam_from_own(upper), self.scene.exam_from_own(lower)
            shape = spine.vertebra(upper).shape
            floor = above.apply(shape.centre_mm * np.array([1.0, 2.0, 1.0]))
            roof = below.apply(spine.vertebra(lower).shape.centre_mm * np.array([1.0, 0.0, 1.0]))
            axis = (floor - roof) / np.linalg.norm(floor - roof)
            rod = _Puck((floor + roof) / 2.0, axis, below.turn(np.eye(3)[0]), shape.depth_mm / 2, shape.width_mm / 2)
            window = self._window(rod.corners_mm(), start, len(hu))
            if window is None:
                continue
            distance = rod.distance_mm(*self._window_axes(window, start, 1))
            share = self._profile(window, np.clip(0.5 - distance / _DISC_EDGE_MM, 0.0, 1.0))
            hu[window] += share * (_DISC_HU - hu[window])

    def _draw_implant(self, hu: Field, metal: Field | None, start: int, implant: Implant) -> None:
        exam_from_own = self.scene.exam_from_implant(implant)
        for part in implant.parts:
            self._draw_part(hu, metal, start, part, exam_from_own)

    def _draw_part(self, hu: Field, metal: Field | None, start: int, part: Part, exam_from_own: RigidTransform) -> None:
        lower, upper = part.solid.bounds_mm()
        picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
        corners = exam_from_own.apply(np.where(picks == 0, lower - 1.0, upper + 1.0))
        window = self._window(corners, start, len(hu))
        if window is None:
            return
        n = _METAL_SAMPLES
        points = exam_from_own.inverse().apply(self._window_points(window, start, n))
        width = max(self.protocol.pixel_mm / n, self.protocol.spacing_mm / self.subslices)
        share = np.clip(0.5 - part.solid.distance_mm(points) / width, 0.0, 1.0).astype(np.float32)
        share = share.reshape(share.shape[0], share.shape[1] // n, n, share.shape[2] // n, n).mean(axis=(2, 4))
        share = self._profile(window, share)
        hu[window] += share * (part.material.hu - hu[window])
        if metal is not None and part.material.is_metal:
            dense = (part.material.hu + 1000.0) / (Material.TITANIUM.hu + 1000.0)
            metal[window] += share * np.maximum(dense - metal[window], 0.0)

    # The scanner's own flaws ---------------------------------------------------------------------

    def _finish(self, hu: Field, metal: Field | None, start: int) -> None:
        """Point spread, metal artefacts, noise and the limits of the scale, in place."""
        rngs = [np.random.default_rng((self.seed, start + offset)) for offset in range(len(hu))]
        artefacts = self._artefacts(hu, metal, rngs)
        for offset, (plane, rng) in enumerate(zip(hu, rngs, strict=True)):
            seen = self._spread(plane)
            if offset in artefacts:
                seen += artefacts[offset]
            if self.protocol.has_noise:
                noise = self._noise(rng)
                noise *= self._noise_level_hu(plane)
                seen += noise
            np.clip(seen, -1024.0, self.protocol.largest_hu, out=plane)

    def _artefacts(self, hu: Field, metal: Field | None, rngs: list[np.random.Generator]) -> dict[int, Field]:
        """What metal adds, by the slices of the slab that show it."""
        if not self.protocol.has_artefacts or metal is None:
            return {}
        shown = np.flatnonzero(metal.max(axis=(1, 2)) > _LEAST_METAL)
        protocol = self.protocol
        added = metal_artefacts_hu(metal[shown], hu[shown], protocol.pixel_mm, protocol.beam, [rngs[i] for i in shown])
        return dict(zip(shown.tolist(), added, strict=True))

    def _spread(self, plane: Field) -> Field:
        """The plane after the kernel's point spread and edge enhancement."""
        kernel = self.protocol.kernel
        sigma = kernel.fwhm_mm / _FWHM_PER_SIGMA / self.protocol.pixel_mm
        spread = blurred(plane, sigma)
        if kernel.edge:
            spread += kernel.edge * (spread - blurred(spread, 1.6 * sigma))
        return spread

    @cached_property
    def _noise_filter(self) -> Field:
        """Ramp with the kernel's roll-off, which gives CT noise its grain; scaled to unit variance."""
        rows = fft.fftfreq(self.protocol.rows)[:, None]
        columns = fft.rfftfreq(self.protocol.columns)[None, :]
        frequency = np.hypot(rows, columns)
        cutoff = 0.5 * min(1.0, self.protocol.kernel.noise_cutoff * max(self.protocol.pixel_mm, 0.35) / 0.6)
        response = np.sqrt(frequency + 0.01) * np.exp(-((frequency / cutoff) ** 4))
        full = np.where((columns == 0) | (columns == 0.5), 1.0, 2.0)
        power = float((full * response**2).sum() / (self.protocol.rows * self.protocol.columns))
        return (response / np.sqrt(power)).astype(np.float32)

    def _noise(self, rng: np.random.Generator) -> Field:
        white = rng.standard_normal((self.protocol.rows, self.protocol.columns), dtype=np.float32)
        spectrum = fft.rfft2(white, overwrite_x=True)
        spectrum *= self._noise_filter  # type: ignore[operator]
        return fft.irfft2(spectrum, s=white.shape, overwrite_x=True)  # type: ignore[arg-type]

    def _noise_level_hu(self, plane: Field) -> float:
        """Noise grows with the tissue that a slice holds and falls with its thickness."""
        filled = float((plane > FAT_HU - 100.0).mean()) * plane.size * self.protocol.pixel_mm**2
        body = np.clip(filled / 70000.0, 0.6, 1.4) if filled > 20000.0 else 1.0
        return float(self.protocol.kernel.noise_hu * body / np.sqrt(self.protocol.thickness_mm))


def _plane(field: Field, position: float) -> Field:
    low = int(np.clip(int(position), 0, len(field) - 2))
    share = np.float32(position - low)
    return field[low] * (1 - share) + field[low + 1] * share


@dataclass(frozen=True, eq=False)
class _Puck:
    """A disc: an elliptic cylinder about an axis."""

    centre_mm: Points
    axis: Points
    posterior: Points
    half_depth_mm: float
    half_width_mm: float
    half_height_mm: float = 9.0

    @cached_property
    def _across(self) -> tuple[Points, Points]:
        """Unit vectors across the axis: posterior and left."""
        posterior = self.posterior - (self.posterior @ self.axis) * self.axis
        posterior = posterior / np.linalg.norm(posterior)
        return posterior, np.cross(posterior, self.axis)

    def distance_mm(self, x_mm: Points, y_mm: Points, z_mm: Points) -> Field:
        """Signed distance on a lattice with these coordinates, shape (z, y, x)."""

        def along(direction: Points) -> Field:
            x, y, z = (
                ((axis - middle) * step).astype(np.float32)
                for axis, middle, step in zip((x_mm, y_mm, z_mm), self.centre_mm, direction, strict=True)
            )
            return np.add.outer(z, np.add.outer(y, x))

        posterior, left = self._across
        level = (along(posterior / (self.half_depth_mm + 0.8))) ** 2
        level += along(left / (self.half_width_mm + 0.8)) ** 2
        side = (np.sqrt(level, out=level) - 1.0) * self.half_depth_mm
        return np.maximum(side, np.abs(along(self.axis)) - self.half_height_mm)

    def corners_mm(self) -> Points:
        """Corners of a box round it, its blurred edge included, shape (8, 3)."""
        reach = np.array([self.half_depth_mm + 2.0, self.half_width_mm + 2.0, self.half_height_mm + 1.0])
        directions = np.stack([*self._across, self.axis]) * reach[:, None]
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        return self.centre_mm + signs @ directions
