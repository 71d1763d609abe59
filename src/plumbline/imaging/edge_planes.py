"""Planes through edges that were found along rays: robust, with what is usual as a weak prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Edges:
    """Edge positions along rays, their strengths, which are edges, and on which rays no metal hides them."""

    at_mm: Points
    strength: Points
    is_edge: NDArray[np.bool_]
    is_free: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Plane:
    """``offset + slope . (u, v)`` along a direction; ``edges`` is the share of unhidden rays with an edge.

    ``bow`` is how deep the hollow is that was fitted beside it, ``seen`` the share of all rays with an edge.
    """

    offset: float
    slope: Points
    error_mm: float
    edges: float
    bow: float = 0.0
    seen: float = 1.0


def fit_plane(
    places: Points,
    edges: Edges,
    kept: Points | None = None,
    *,
    bow: Points | None = None,
    usual_bow: tuple[float, float] = (0.0, 1.0),
) -> Plane | None:
    """Robust plane through the edges; None where there are too few.

    Parameters
    ----------
    kept
        Shape (2,): inverse of the slopes' expected size, in edges' spreads; 0 leaves a slope free.
    bow
        Shape of a hollow that is fitted beside the plane, 0 at the rims, so that the plane goes through them.
    usual_bow
        How deep it usually is, and its standard deviation.
    """
    chosen = edges.is_edge
    if chosen.sum() < max(12, 0.15 * len(places)):
        return None
    columns = [np.ones(int(chosen.sum())), places[chosen]]
    design = np.column_stack(columns if bow is None else [*columns, bow[chosen]])
    target, strength = edges.at_mm[chosen], edges.strength[chosen]
    held, usually = np.zeros(design.shape[1]), np.zeros(design.shape[1])
    held[1:3] = 0.0 if kept is None else kept**2
    held[3:], usually[3:] = _RAYS_A_HOLLOW / usual_bow[1] ** 2, usual_bow[0]
    weights = usual = strength / strength.mean()
    solution, spread = np.zeros(design.shape[1]), 1.0
    for _ in range(12):
        solution = _weighted_solution(design, target, weights, held * spread**2, usually)
        residual = target - design @ solution
        spread = 1.4826 * _median(np.abs(residual)) + 0.15
        weights = usual / (1.0 + (residual / (2.0 * spread)) ** 2) ** 2
    slope = np.clip(solution[1:3], -0.35, 0.35)
    found = float(chosen.sum() / max(edges.is_free.sum(), 1))
    depth = 0.0 if bow is None else float(solution[3])
    return Plane(float(solution[0]), slope, spread, found, depth, float(chosen.mean()))


_RAYS_A_HOLLOW = 4.0
"""So many rays of a wall share one disturbance."""


def _weighted_solution(design: Points, target: Points, weights: Points, held: Points, usually: Points) -> Points:
    """Least squares, each unknown held to what is usual; edges on one line leave their slope near nought."""
    weighted = (design * weights[:, None]).T
    normal = weighted @ design
    normal[np.diag_indices_from(normal)] += held + _LEAST_HELD * normal.diagonal()
    return np.linalg.solve(normal, weighted @ target + held * usually)


_LEAST_HELD = 1e-10


def _median(values: Points) -> float:
    """As ``np.median``, which takes far longer on a few dozen values."""
    middle = len(values) // 2
    ordered = np.sort(values)
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0)
