"""How the edges of a vertebral body are looked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodySettings:
    """How a body's edges are looked for.

    Parameters
    ----------
    fitted_share
        Of half the depth and half the width: the part of an endplate that is fitted.
    aside_sd, rays_a_fact
        An endplate leans to a side about as its neighbour does, within this slope; so many rays of an endplate
        share one disturbance.
    first_reach_mm, later_reach_mm
        How far from its expected place an endplate is looked for as a whole, and then on each ray.
    lean_deg
        Leans of an endplate against the expected one that are tried as a whole (to the back, to the left).
    height_sd_share, place_sd_mm, unlikely
        The height expected is known to about this share of it, and the place to this much; the largest share
        of the best evidence that being elsewhere costs. A fractured body is found by its edges all the same.
    face_sd_mm
        An endplate lies where the spacer on it begins, or not so far from it, or it has sunk in so far.
    hidden_credit
        An endplate that a spacer's streaks hide counts as this share of one that is seen.
    endplate_mm, beyond_mm, least_free
        An endplate as a whole is that much of dense bone before that much of disc, on at least this share of
        the rays.
    kernel_mm, voxel_blur, shell_share
        Blur (standard deviation) of a reconstruction, and what a voxel adds as a share of its edge. The cortex is
        thinner than the blur, so that its outer slope lies this share of the blur beyond the surface.
    hu_limits
        Densities are cut to these: dark streaks look like disc, not darker.
    rim_inside_mm, rim_aside_mm, rim_prior_mm
        How far before the posterior wall, and up to how far from the midline, the rim of an endplate is looked for;
        how far the rim usually stands out from the middle of a hollow endplate, and its standard deviation.
    hollow_prior_mm
        How hollow a posterior wall usually is, and its standard deviation.
    bowl_prior_mm
        The same of an endplate, from the rim of the part that is fitted to its middle.
    wall_reach_mm
        The same for the walls.
    least_edge_hu_per_mm
        Weaker edges are not edges.
    smooth_mm
        Smoothing along the rays.
    first_strong_share
        The first edge outwards counts that is at least this share of the strongest.
    """

    fitted_share: float = 0.7
    aside_sd: float = 0.06
    rays_a_fact: float = 15.0
    first_reach_mm: float = 9.0
    later_reach_mm: float = 3.0
    lean_deg: tuple[tuple[float, ...], tuple[float, ...]] = ((-14.0, -7.0, 0.0, 7.0, 14.0), (-8.0, 0.0, 8.0))
    height_sd_share: float = 0.08
    place_sd_mm: float = 5.0
    face_sd_mm: tuple[float, float] = (1.5, 4.0)
    hidden_credit: float = 0.8
    endplate_mm: float = 2.5
    beyond_mm: float = 4.0
    least_free: float = 0.25
    unlikely: float = 0.45
    rim_inside_mm: tuple[float, ...] = (2.5, 3.5, 4.5)
    rim_aside_mm: float = 12.0
    rim_prior_mm: tuple[float, float] = (1.0, 0.8)
    hollow_prior_mm: tuple[float, float] = (1.0, 0.6)
    bowl_prior_mm: tuple[float, float] = (-1.0, 0.6)
    wall_reach_mm: float = 8.0
    least_edge_hu_per_mm: float = 12.0
    smooth_mm: float = 0.9
    step_mm: float = 0.5
    first_strong_share: float = 0.6
    hu_limits: tuple[float, float] = (30.0, 700.0)
    kernel_mm: float = 0.45
    voxel_blur: float = 0.4
    shell_share: float = 0.55
    depth_mm: float = 33.0
    width_mm: float = 46.0
