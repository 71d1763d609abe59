"""Whether a vertebral body is a sacral one: the bone beside it, and its lean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.localiser_settings import LocaliserSettings
from plumbline.imaging.sampling import is_inside, sample
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Bone:
    """An exam on the coarse grid, and 1 where metal or its halo hides what is there; nothing hides it without metal."""

    coarse: Volume
    hidden: Volume | None = None


def lateral_bone_share(bone: Bone, body: Body, settings: LocaliserSettings) -> float | None:
    """Share of the places beside a body under which there is bone, in front and behind added; the poorer side.

    The ala of the sacrum fills them; beside a lumbar body lies muscle, behind it a transverse process. A kidney full of
    contrast is as dense, but the psoas lies between: only what begins at the body counts. None where metal and the
    borders of the exam hide both sides.
    """
    front = np.arange(-body.depth_mm / 2 + 8.0, body.depth_mm / 2 - 8.0 + 0.1, 3.0)
    rear = np.arange(-6.0, 19.0, 3.0)
    sides = [[_bone_beside(bone, body, side, along, settings) for along in (front, rear)] for side in (1.0, -1.0)]
    return min((before + behind for before, behind in sides if before is not None and behind is not None), default=None)


def _bone_beside(bone: Bone, body: Body, side: float, along: Points, settings: LocaliserSettings) -> float | None:
    """Share of the places in view with bone; None where too few are in view."""
    posterior, cranial, left = body.axes
    aside = side * (max(body.width_mm / 2 + 3.5, 26.0) + np.arange(0.0, 18.1, 3.0))
    up = np.arange(-body.height_mm / 2 - 2.0, body.height_mm / 2, 3.0)
    points = (
        body.centre_lps_mm
        + aside[:, None, None, None] * left
        + along[None, :, None, None] * posterior
        + up[None, None, :, None] * cranial
    )
    is_bone = sample(bone.coarse, points).max(axis=2) > _CORTEX_HU
    is_known = is_inside(bone.coarse, points).mean(axis=2) >= _LEAST_IN_VIEW
    if bone.hidden is not None:
        is_known &= is_bone | np.all(sample(bone.hidden, points) < 0.5, axis=2)
    is_bone &= (is_bone | ~is_known)[:_NEAREST].any(axis=0)
    return float(is_bone[is_known].mean()) if is_known.mean() >= settings.least_known else None


_NEAREST = 5
"""Places beside a body, outwards, in one of which bone that belongs to it begins: within 12 mm. Of 39 sacra one lost
bone at 6 mm; in two patients whose kidneys are full of contrast neither distance lets them count."""

_LEAST_IN_VIEW = 0.5
_CORTEX_HU = 145.0


def sacral_probability(bone: Bone, body: Body, settings: LocaliserSettings) -> float:
    """How probable it is that a body is a sacral one, from the bone beside it and its lean."""
    lean_deg = float(np.degrees(np.arctan2(-body.axes[1][1], body.axes[1][2])))
    beside = lateral_bone_share(bone, body, settings)
    share = (settings.sacral_share if beside is None else beside) + settings.lean_weight * float(
        np.clip(lean_deg - 25.0, -25.0, 25.0)
    )
    return float(1.0 / (1.0 + np.exp(-(share - settings.sacral_share) / settings.sacral_scale)))


def sacral_probabilities(bone: Bone, bodies: Sequence[Body], settings: LocaliserSettings) -> NDArray[np.float64]:
    """How probable it is that each body is a sacral one; caudal to cranial, shape (n,).

    The body above has a say: beside L5 there is some bone, beside L4 hardly any.
    """
    probabilities = np.array([sacral_probability(bone, body, settings) for body in bodies])
    for index, above in enumerate(bodies[1:]):
        share = lateral_bone_share(bone, above, settings)
        if share is not None:
            odds = _is_last_lumbar(share, settings)
            probabilities[index] *= odds / (1.0 + (odds - 1.0) * probabilities[index])
    return probabilities


def _is_last_lumbar(share: float, settings: LocaliserSettings) -> float:
    """How many times likelier so much bone is beside the last lumbar body than beside the one above it."""
    usual, spread = settings.last_lumbar_share
    last = np.exp(-((max(usual - share, 0.0) / spread) ** 2) / 2.0) / spread
    before = 2.0 * np.exp(-((share / settings.other_lumbar_share) ** 2) / 2.0) / settings.other_lumbar_share
    return float(np.clip(last / max(before, 1e-6), *settings.last_lumbar_odds))
