"""Label maps that others made, as voxels: what a reader of DICOM SEG hands to the localiser.

A label map is an anchor of stated confidence, not the truth; what it is made into, and checked against, is
in ``imaging.mapped_spine``.
"""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.anatomy.segment_names import SegmentName
from plumbline.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class LabelSegment:
    """One vertebra, or the sacrum, of a label map.

    Parameters
    ----------
    name
        What it is called, and how that was said.
    mask
        Voxels (bool) of the smallest box around it, on the label map's own grid.
    """

    name: SegmentName
    mask: Volume


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The vertebrae of one label map; segments may overlap.

    Parameters
    ----------
    origin
        Who made it, e.g. the algorithm's name, for the reader.
    is_automatic
        Whether it was made without a person looking at it, as far as it says.
    """

    origin: str
    segments: tuple[LabelSegment, ...]
    is_automatic: bool = True


@dataclass(frozen=True, eq=False)
class FoundLabelMaps:
    """The label maps of one series, and a sentence for each that could not be used."""

    maps: tuple[LabelMap, ...] = ()
    refusals: tuple[str, ...] = ()
