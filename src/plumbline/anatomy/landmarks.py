"""Anatomical points that readers set on radiographs: what they may be called, and one as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

_VERTEBRAE = (*(f"T{number}" for number in range(1, 13)), *(f"L{number}" for number in range(1, 6)))

LEFT_HIP, RIGHT_HIP = "left femoral head centre", "right femoral head centre"
SACRUM = "S1 superior endplate"
LUMBAR_TOP, THORACIC_TOP, THORACIC_BOTTOM = "L1 superior endplate", "T4 superior endplate", "T12 inferior endplate"
_SIDES = ("anterior", "posterior")
OF_ALIGNMENT: tuple[str, ...] = (
    *(f"{SACRUM} {side}" for side in _SIDES),
    LEFT_HIP,
    RIGHT_HIP,
    *(f"{endplate} {side}" for endplate in (LUMBAR_TOP, THORACIC_BOTTOM, THORACIC_TOP) for side in _SIDES),
)
"""What spinopelvic alignment is measured from, in the order in which it is set."""
OTHERS: tuple[str, ...] = (
    "spacer anterior marker",
    "spacer posterior marker",
    *(
        name
        for vertebra in reversed(_VERTEBRAE)
        for endplate in ("superior", "inferior")
        for side in _SIDES
        if (name := f"{vertebra} {endplate} endplate {side}") not in OF_ALIGNMENT
    ),
)
NAMES = (*OF_ALIGNMENT, *OTHERS)
"""What a landmark may be called."""


@dataclass(frozen=True, slots=True)
class Landmark:
    """A point on an image as it stands, and who set it last.

    Column and row are pixels, the centre of the first pixel at 0.5 (PS3.3 C.10.5.1.2).
    """

    series_instance_uid: str
    sop_instance_uid: str
    name: str
    column: float
    row: float
    author: str
    at: datetime


def fingerprint(landmarks: Iterable[Landmark]) -> str:
    """Digest of what stands, so that a later look can tell whether anything was moved; empty where nothing stands."""
    standing = sorted((each.sop_instance_uid, each.name, each.column, each.row, each.author) for each in landmarks)
    return sha256(repr(standing).encode()).hexdigest() if standing else ""
