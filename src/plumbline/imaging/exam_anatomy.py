"""One CT from voxels to anatomy: metal, vertebrae, implants; and the two exams of a comparison side by side."""

from __future__ import annotations

from plumbline.errors import AnalysisFailed
from plumbline.imaging.hardware import HardwareSettings, metal_mask, segment_hardware
from plumbline.imaging.localise import localise_spine
from plumbline.imaging.motion import ExamAnatomy
from plumbline.imaging.volume import Volume


def analyse_exam(volume: Volume, settings: HardwareSettings | None = None) -> ExamAnatomy:
    """Find vertebrae and implants in a CT.

    Raises
    ------
    AnalysisFailed
        When no spine can be found, with the reason.
    """
    settings = settings or HardwareSettings()
    metal = metal_mask(volume, settings)
    spine = localise_spine(volume, metal=metal)
    return ExamAnatomy(volume, spine, segment_hardware(volume, spine, metal=metal, settings=settings))


def contains_spinal_hardware(volume: Volume, settings: HardwareSettings | None = None) -> bool | None:
    """Whether a CT shows implants in its spine; None when there is metal and no spine could be found.

    Without any metal the vertebrae are not looked for.
    """
    settings = settings or HardwareSettings()
    metal = metal_mask(volume, settings)
    voxel_mm3 = float(abs(volume.spacing_mm.prod()))
    if metal.sum() * voxel_mm3 < settings.least_marker_mm3:
        return False
    try:
        spine = localise_spine(volume, metal=metal)
    except AnalysisFailed:
        return None
    return bool(segment_hardware(volume, spine, metal=metal, settings=settings).implants)
