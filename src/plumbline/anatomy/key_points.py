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
    of_kind = {kind: [p for p in points if p["kind"] == kind] for kind in ("body", "left", "right")}
    places = {kind: np.array([p["xyz_lps_mm"] for p in own]).reshape(-1, 3) for kind, own in of_kind.items()}
    left, right = (_own_pedicles(places["body"], places[kind]) for kind in ("left", "right"))
    found = []
    for index, point in enumerate(of_kind["body"]):
        scores = point.get("spine_segment_probabilities")
        region = (scores[0], scores[1], scores[2]) if scores else None
        width = float(np.linalg.norm(left[index] - right[index])) if index in left and index in right else None
        found.append(BodyEvidence(places["body"][index], width, region))
    return cranial_to_caudal(found)


def _own_pedicles(bodies: Points, pedicles: Points) -> dict[int, Points]:
    """By index of a body, the nearest of the pedicles that lie nearer to it than to any other body."""
    own: dict[int, Points] = {}
    if not len(bodies) or not len(pedicles):
        return own
    distance = np.linalg.norm(bodies[:, None] - pedicles[None], axis=2)
    for pedicle in np.argsort(-distance.min(axis=0)):
        body = int(np.argmin(distance[:, pedicle]))
        if distance[body, pedicle] < PEDICLE_REACH_MM:
            own[body] = pedicles[pedicle]
    return own
