"""One CT from voxels to anatomy: metal, vertebrae, implants; and the two exams of a comparison side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plumbline.errors import AnalysisFailed
from plumbline.imaging.hardware import HardwareSettings, metal_mask, segment_hardware
from plumbline.imaging.label_maps import LabelMap
from plumbline.imaging.localise import localise_spine
from plumbline.imaging.mapped_spine import spine_from_label_map, with_disagreement
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.motion import ExamAnatomy
from plumbline.imaging.shanks import part_from_shanks
from plumbline.imaging.spine import LocalisedSpine
from plumbline.imaging.volume import Volume


def analyse_exam(
    volume: Volume, settings: HardwareSettings | None = None, *, label_maps: Sequence[LabelMap] = ()
) -> ExamAnatomy:
    """Find vertebrae and implants in a CT.

    Parameters
    ----------
    label_maps
        What others have labelled in it; the first choice for where the vertebrae are and what they are called.

    Raises
    ------
    AnalysisFailed
        When no spine can be found, with the reason.
    """
    settings = settings or HardwareSettings()
    pieces = MetalPieces(volume, metal_mask(volume, settings))
    spine = _spine(volume, label_maps, pieces)
    return ExamAnatomy(volume, spine, segment_hardware(volume, spine, pieces=pieces, settings=settings))


def _spine(volume: Volume, label_maps: Sequence[LabelMap], pieces: MetalPieces) -> LocalisedSpine:
    """The spine of the fullest label map that fits the volume, else that of the built-in localiser."""
    refusals: list[str] = []
    for label_map in sorted(label_maps, key=lambda each: -len(each.segments)):
        try:
            spine = spine_from_label_map(volume, label_map, metal=pieces.mask)
        except AnalysisFailed as error:
            refusals.append(f"A label map was not used: {error.what}.")
            continue
        part_from_shanks(volume, pieces, spine.canal_lps_mm)
        others = [each for each in label_maps if each is not label_map]
        return with_disagreement(spine, others)
    spine = localise_spine(volume, pieces=pieces)
    return replace(spine, doubts=(*spine.doubts, *refusals))


def contains_spinal_hardware(volume: Volume, settings: HardwareSettings | None = None) -> bool | None:
    """Whether a CT shows implants in its spine; None when there is metal and no spine could be found.

    Without any metal the vertebrae are not looked for.
    """
    settings = settings or HardwareSettings()
    pieces = MetalPieces(volume, metal_mask(volume, settings))
    if len(pieces.points) * pieces.voxel.mm3 < settings.least_marker_mm3:
        return False
    try:
        spine = localise_spine(volume, pieces=pieces)
    except AnalysisFailed:
        return None
    return bool(segment_hardware(volume, spine, pieces=pieces, settings=settings).implants)
