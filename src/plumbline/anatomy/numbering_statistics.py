"""How real spines are spaced, and how often they count otherwise: aggregate figures that numbering goes by.

The figures come from ``anatomy.learn_numbering`` and are kept in ``numbering_statistics.json`` with their
source; nothing of any one person is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.errors import Misconfigured

CHAIN = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 14)),
    *(f"L{n}" for n in range(1, 7)),
    "S1",
)
"""Every name that a vertebra may have, cranial to caudal; no one spine has them all."""

USUAL = tuple(name for name in CHAIN if name not in ("T13", "L6"))
"""The vertebrae of a spine that counts as most do; also the *places* whose shape the figures describe."""

REGIONS = "CTL"
_BEST_SCORE_BOUNDS = (0.8, 0.96)
_SECOND_SCORE_BOUNDS = (0.018, 0.022, 0.027, 0.035, 0.05, 0.1, 0.3)
REGION_CATEGORIES = len(REGIONS) * (len(_BEST_SCORE_BOUNDS) + 1) * (len(_SECOND_SCORE_BOUNDS) + 1)


@dataclass(frozen=True, slots=True)
class StepFigures:
    """From one vertebra to the next one below it.

    Parameters
    ----------
    log_distance, log_distance_sd
        Natural logarithm of the distance of their centres in mm, and what varies about it once the size of
        the person is taken out.
    lean_deg, lean_sd_deg
        Lean of the line between them in the sagittal plane, positive when the upper centre lies more
        posterior; spread once the posture of the person is taken out.
    """

    log_distance: float
    log_distance_sd: float
    lean_deg: float
    lean_sd_deg: float


@dataclass(frozen=True, eq=False, slots=True)
class NumberingStatistics:
    """The figures.

    Parameters
    ----------
    steps
        By upper and lower place, of neighbours in a usual spine.
    log_width
        By place: mean and spread of the logarithm of the distance between the pedicles in mm.
    width_seen
        By place: how often a detector found both pedicles.
    region
        By name: how often a detector's region scores fall into each category of ``region_category``.
    size_sd, posture_sd_deg
        Spread between persons of the logarithm of size, and of the lean of the whole spine.
    missed, false
        Share of vertebrae that a detector missed and of its bodies that are none.
    ends_at_sacrum
        Share of spines whose lowest vertebra in view is the last lumbar one.
    sacrum_found
        Share of these in which the detector took the first sacral vertebra for one more.
    usual_log_likelihood
        Of the best labelling, per body: the value that one real spine in 200 stays below.
    spines, source
        What the figures stand on.
    """

    steps: Mapping[tuple[str, str], StepFigures]
    log_width: Mapping[str, tuple[float, float]]
    width_seen: Mapping[str, float]
    region: Mapping[str, tuple[float, ...]]
    size_sd: float
    posture_sd_deg: float
    missed: float
    false: float
    ends_at_sacrum: float
    sacrum_found: float
    usual_log_likelihood: float
    spines: int
    source: str

    def as_json(self) -> dict[str, Any]:
        """The form in which they are shipped."""
        return {
            "source": self.source,
            "spines": self.spines,
            "size_sd": self.size_sd,
            "posture_sd_deg": self.posture_sd_deg,
            "missed": self.missed,
            "false": self.false,
            "ends_at_sacrum": self.ends_at_sacrum,
            "sacrum_found": self.sacrum_found,
            "usual_log_likelihood": self.usual_log_likelihood,
            "steps": {
                f"{upper}-{lower}": [each.log_distance, each.log_distance_sd, each.lean_deg, each.lean_sd_deg]
                for (upper, lower), each in self.steps.items()
            },
            "log_width": {name: list(values) for name, values in self.log_width.items()},
            "width_seen": dict(self.width_seen),
            "region": {name: list(values) for name, values in self.region.items()},
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> NumberingStatistics:
        """Read what ``as_json`` wrote."""
        steps = {tuple(key.split("-")): StepFigures(*values) for key, values in raw["steps"].items()}
        return cls(
            steps=steps,  # type: ignore[arg-type]
            log_width={name: (values[0], values[1]) for name, values in raw["log_width"].items()},
            width_seen=raw["width_seen"],
            region={name: tuple(values) for name, values in raw["region"].items()},
            size_sd=raw["size_sd"],
            posture_sd_deg=raw["posture_sd_deg"],
            missed=raw["missed"],
            false=raw["false"],
            ends_at_sacrum=raw["ends_at_sacrum"],
            sacrum_found=raw["sacrum_found"],
            usual_log_likelihood=raw["usual_log_likelihood"],
            spines=raw["spines"],
            source=raw["source"],
        )


def region_category(scores: tuple[float, float, float]) -> int:
    """Which region a detector scores highest, how high, and how high it scores the neighbouring region, as one number.

    The neighbour's score tells how near to the border of two regions a vertebra lies.
    """
    best = int(np.argmax(scores))
    neighbour = scores[1] if best != 1 else max(scores[0], scores[2])
    level = int(np.searchsorted(_BEST_SCORE_BOUNDS, scores[best]))
    second = int(np.searchsorted(_SECOND_SCORE_BOUNDS, neighbour))
    return (best * (len(_BEST_SCORE_BOUNDS) + 1) + level) * (len(_SECOND_SCORE_BOUNDS) + 1) + second


def step_between(upper: NDArray[Any], lower: NDArray[Any]) -> tuple[float, float]:
    """(logarithm of the distance in mm, lean in degrees) from one centre to the next one below it, LPS mm."""
    upward = upper - lower
    distance = max(float(np.linalg.norm(upward)), 1e-3)
    return float(np.log(distance)), float(np.degrees(np.arctan2(upward[1], upward[2])))


@cache
def numbering_statistics() -> NumberingStatistics:
    """The figures shipped with the package.

    Raises
    ------
    Misconfigured
        When they do not match the code.
    """
    text = (files("plumbline.anatomy") / "numbering_statistics.json").read_text(encoding="utf-8")
    statistics = NumberingStatistics.from_json(json.loads(text))
    if set(statistics.region) != set(CHAIN):
        raise Misconfigured("the shipped numbering statistics do not match the code", remedy="Learn them again.")
    return statistics
