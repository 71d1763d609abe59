"""What localisation finds in a CT: vertebrae with their frames, the canal, and their numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.numbering import Numbering
from plumbline.anatomy.transforms import VertebraFrame

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class LocalisedVertebra:
    """One vertebra of one exam.

    Parameters
    ----------
    frame
        Anatomical frame fitted to the posterior wall and superior endplate.
    centre_lps_mm
        Shape (3,): centre of the vertebral body.
    depth_mm, height_mm, width_mm
        Antero-posterior, cranio-caudal and left-right size of the body.
    frame_uncertainty_mm
        95 % half-width of the posterior wall's position along ``frame.posterior``.
    is_whole
        False where the image border cuts the body.
    is_sacrum
        True for the first sacral vertebra.
    confidence
        0 to 1: how sure it is that a vertebra lies here.
    """

    frame: VertebraFrame
    centre_lps_mm: Points
    depth_mm: float
    height_mm: float
    width_mm: float
    frame_uncertainty_mm: float
    is_whole: bool
    is_sacrum: bool
    confidence: float


@dataclass(frozen=True, eq=False)
class LocalisedSpine:
    """The vertebrae of one exam, cranial to caudal, on the grid of the volume they were found in.

    Parameters
    ----------
    vertebrae
        Cranial to caudal, without gaps between the first and the last.
    labels
        Shape of the volume's voxels, uint8: 0 for none, i + 1 for the bone of ``vertebrae[i]``, posterior
        elements included as far as they could be told apart.
    canal_lps_mm
        Shape (n, 3): centre line of the spinal canal, cranial to caudal.
    numbering
        Plausible names; each labelling has one name per vertebra.
    source
        ``built-in`` or the label map's origin.
    doubts
        Sentences about what could not be told.
    """

    vertebrae: tuple[LocalisedVertebra, ...]
    labels: NDArray[np.uint8]
    canal_lps_mm: Points
    numbering: Numbering
    source: str
    doubts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the most probable labelling, or an empty tuple."""
        best = self.numbering.best
        return best.names if best else ()

    @property
    def doubts_beside_names(self) -> tuple[str, ...]:
        """Doubts that the numbering does not state itself."""
        return tuple(doubt for doubt in self.doubts if doubt != self.numbering.conflict)
