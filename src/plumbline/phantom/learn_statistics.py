"""Learn ``spine_statistics.json`` from labelled key points: ``python -m plumbline.phantom.learn_statistics PATH``.

Reads spines as JSON lines (gzip) of body centres with levels and of pedicles, LPS millimetres, and keeps
aggregate figures only.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import InvalidInput
from plumbline.phantom.statistics import LEVELS

Points = NDArray[Any]

SOURCE = "ImFusion VID data set (key points of spines in VerSe, CT Colonography and Pancreas-CT), CC BY-SA 4.0"
_COMPONENTS = 10
_PEDICLE_REACH_MM = 45.0
_OUTLIER_SD = 4.0


def _pedicle_of(centre: Points, candidates: Points) -> Points | None:
    if not len(candidates):
        return None
    nearest = candidates[np.argmin(np.linalg.norm(candidates - centre, axis=1))]
    return nearest if np.linalg.norm(nearest - centre) < _PEDICLE_REACH_MM else None


def _points_of(spine: dict[str, Any]) -> tuple[Points, Points, Points] | None:
    """Centres, left and right pedicles of ``LEVELS``, each (7, 3), or None where one is missing."""
    by_level = {p["level"]: np.array(p["xyz_lps_mm"]) for p in spine["truth"] if p["kind"] == "body"}
    if not set(LEVELS) <= set(by_level) or "L6" in by_level:
        return None
    centres = np.stack([by_level[level] for level in LEVELS])
    sides = []
    for kind in ("left", "right"):
        candidates = np.array([p["xyz_lps_mm"] for p in spine["truth"] if p["kind"] == kind])
        pedicles = [_pedicle_of(centre, candidates) for centre in centres]
        if any(p is None for p in pedicles):
            return None
        sides.append(np.stack([p for p in pedicles if p is not None]))
    return centres, sides[0], sides[1]


def features_of(centres: Points, left: Points, right: Points) -> Points:
    """Feature vector of one spine in the order of ``statistics.FEATURE_GROUPS``; inputs are (7, 3) LPS mm."""
    upward = centres[:-1] - centres[1:]
    distance = np.linalg.norm(upward, axis=1)
    sagittal = np.degrees(np.arctan2(upward[:, 1], upward[:, 2]))
    coronal = np.degrees(np.arctan2(upward[:, 0], upward[:, 2]))
    tangents = np.gradient(centres[::-1], axis=0)[::-1]
    cranial = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    across = left - right
    width = np.linalg.norm(across, axis=1)
    posterior = np.cross(cranial, across)
    posterior /= np.linalg.norm(posterior, axis=1, keepdims=True)
    middle = (left + right) / 2.0 - centres
    backward = np.einsum("ij,ij->i", middle, posterior)
    upward_of_centre = np.einsum("ij,ij->i", middle, cranial)
    return np.concatenate([distance, sagittal, coronal, width, backward, upward_of_centre])


def learn(path: Path) -> dict[str, Any]:
    """Figures of the spines in ``path`` that show T11 to L5 and have five lumbar vertebrae.

    Raises
    ------
    InvalidInput
        If fewer than 100 such spines are there.
    """
    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            points = _points_of(json.loads(line))
            if points is not None:
                rows.append(features_of(*points))
    if len(rows) < 100:
        raise InvalidInput(f"only {len(rows)} usable spines", where=path.name)
    features = np.stack(rows)
    spread = 1.4826 * np.median(np.abs(features - np.median(features, axis=0)), axis=0)
    typical = np.all(np.abs(features - np.median(features, axis=0)) < _OUTLIER_SD * spread, axis=1)
    features = features[typical]
    mean = features.mean(axis=0)
    _, singular, axes = np.linalg.svd((features - mean) / spread, full_matrices=False)
    components = (axes[:_COMPONENTS] * singular[:_COMPONENTS, None] / np.sqrt(len(features) - 1)).T * spread[:, None]
    left_over = np.maximum(features.var(axis=0, ddof=1) - (components**2).sum(axis=1), 0.0)
    return {
        "source": SOURCE,
        "spines": len(features),
        "mean": mean.round(3).tolist(),
        "components": components.round(4).tolist(),
        "residual_sd": np.sqrt(left_over).round(4).tolist(),
    }


def main(arguments: list[str]) -> None:
    """Write the figures beside the module that reads them."""
    target = Path(__file__).with_name("spine_statistics.json")
    target.write_text(json.dumps(learn(Path(arguments[0])), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
