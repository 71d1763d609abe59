"""Spines as labelled key points, one JSON object a line: what numbering is learned from and measured on.

Each line has ``truth`` (bodies with levels, pedicles) and ``detected`` (a detector's bodies with region
scores, pedicles; missing and false ones among them), in LPS millimetres. Nothing of it is shipped.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.spine_evidence import BodyEvidence, cranial_to_caudal
from plumbline.errors import InvalidInput

Points = NDArray[Any]
PEDICLE_REACH_MM = 45.0


@dataclass(frozen=True, eq=False)
class KeyPointSpine:
    """One spine: the names and bodies that are there, and what a detector made of it; cranial to caudal."""

    case: str
    names: tuple[str, ...]
    truth: tuple[BodyEvidence, ...]
    detected: tuple[BodyEvidence, ...]


def read_key_points(path: Path) -> list[KeyPointSpine]:
    """Spines of a gzip file of JSON lines.

    Raises
    ------
    InvalidInput
        When the file is not of that form.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [_spine(json.loads(line)) for line in lines]
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput("this is not a file of key points", where=path.name) from error


def _spine(raw: Mapping[str, Any]) -> KeyPointSpine:
    truth = _bodies(raw["truth"])
    named = sorted((p for p in raw["truth"] if p["kind"] == "body"), key=lambda p: -p["xyz_lps_mm"][2])
    return KeyPointSpine(raw["case"], tuple(p["level"] for p in named), truth, _bodies(raw["detected"]))


def _bodies(points: Sequence[Mapping[str, Any]]) -> tuple[BodyEvidence, ...]:
    pedicles = {
        kind: np.array([p["xyz_lps_mm"] for p in points if p["kind"] == kind]).reshape(-1, 3)
        for kind in ("left", "right")
    }
    found = []
    for point in points:
        if point["kind"] != "body":
            continue
        centre = np.array(point["xyz_lps_mm"], dtype=float)
        scores = point.get("spine_segment_probabilities")
        region = (scores[0], scores[1], scores[2]) if scores else None
        found.append(BodyEvidence(centre, _pedicle_width_mm(centre, pedicles), region))
    return cranial_to_caudal(found)


def _pedicle_width_mm(centre: Points, pedicles: Mapping[str, Points]) -> float | None:
    """Between the nearest left and the nearest right pedicle of a body, None where one is missing."""
    nearest = []
    for points in pedicles.values():
        distance = np.linalg.norm(points - centre, axis=1)
        if not len(points) or distance.min() > PEDICLE_REACH_MM:
            return None
        nearest.append(points[int(np.argmin(distance))])
    return float(np.linalg.norm(nearest[0] - nearest[1]))
