"""The vertebral bodies of a spine, one after another: from a fitted one to the next, a disc away from its endplate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.transforms import RigidTransform
from plumbline.imaging.body_chain import best_chain, known_as
from plumbline.imaging.canal import CanalLine
from plumbline.imaging.localiser_settings import LocaliserSettings
from plumbline.imaging.metal_blocks import MetalBlocks
from plumbline.imaging.sacral_bone import Bone, sacral_probability
from plumbline.imaging.vertebral_body import Body
from plumbline.imaging.volume import Volume

Points = NDArray[Any]


def is_plausible(body: Body, settings: LocaliserSettings) -> bool:
    """Whether enough of its edges were found, and at a vertebra's distance."""
    return body.edges >= settings.least_edges and 14.0 <= body.height_mm <= 40.0


def is_before_canal(body: Body, canal: CanalLine) -> bool:
    """Whether the canal passes close behind its posterior wall; a canal that ends before its height says nothing."""
    passes = canal.seen_from(body.axes, body.centre_lps_mm)
    if passes is None:
        return True
    (nearest, farthest), behind_mm = _CANAL_BEHIND_MM, float(passes[0]) - body.depth_mm / 2
    return nearest <= behind_mm <= farthest and abs(float(passes[2])) <= _CANAL_ASIDE_MM


_CANAL_BEHIND_MM = -3.0, 22.0
"""How far behind the posterior wall the middle of the canal lies: 3 to 12 mm in phantoms and five real CTs."""
_CANAL_ASIDE_MM = 14.0


def quality(body: Body) -> float:
    """How well a body was fitted, and how much it is shaped like one.

    It is about as high as four fifths of its depth, and its superior endplate leans little against its axis.
    """
    shape = max(abs(float(np.log(body.height_mm / (0.8 * body.depth_mm)))) - 0.25, 0.0)
    lean = max(abs(body.roof_tilt[0]) - 0.12, 0.0)
    return body.edges - 0.05 * body.wall_error_mm - shape - 0.5 * lean


class BodyGrowth:
    """From one fitted body to the next, by its endplate and the usual height of a disc."""

    def __init__(
        self,
        volume: Volume,
        bone: Bone,
        fit: Callable[[Body, bool], Body],
        settings: LocaliserSettings,
        blocks: MetalBlocks,
        canal: CanalLine,
    ) -> None:
        self._canal = canal
        self._blocks = blocks
        self._volume = volume
        self._bone = bone
        self._fit = fit
        self._settings = settings
        self._seeds: tuple[Body, ...] = ()

    def whole(self, seeds: Sequence[Body]) -> list[Body]:
        """All bodies, caudal to cranial: the best chain among those grown from every seed.

        A seed that others have reached already is not grown again. Where all were poor, the best body found is
        grown from once more.
        """
        self._seeds = tuple(seeds)
        grown: list[Body] = []
        for seed in sorted(seeds, key=self.worth_as_seed, reverse=True):
            is_worth_it = not grown or self.worth_as_seed(seed) > self._settings.poor_quality
            if is_worth_it and known_as(seed, grown) is None:
                self._grow_from(seed, grown)
        best = max(grown, key=self.worth_as_seed)
        if max(map(self.worth_as_seed, seeds)) < self._settings.poor_quality < self.worth_as_seed(best):
            grown.remove(best)
            self._grow_from(best, grown)
        return best_chain(grown, self.worth, self._link_cost)

    def _grow_from(self, seed: Body, grown: list[Body]) -> None:
        """Add a seed and what is found beyond it in both directions, up to bodies that are known already."""
        found = [body for up in (False, True) for body in self.from_body(seed, up=up, until=grown)]
        grown += [seed, *found]

    def _link_cost(self, lower: Body, upper: Body) -> float | None:
        """What it costs two bodies to be neighbours; None where they cannot be, or the upper is surely sacral."""
        if not self._is_neighbour(lower, upper, 1.0):
            return None
        if sacral_probability(self._bone, upper, self._settings) >= self._settings.surely_sacral:
            return None
        return self._unlike(lower, upper) + self.odd_gap(lower, upper, up=True)

    def worth_as_seed(self, body: Body) -> float:
        """Worth of a body to grow the others from; by one that is rather sacral nothing is known of their heights."""
        is_sacral = sacral_probability(self._bone, body, self._settings) > 0.5
        return self.worth(body) - self._settings.sacral_seed * is_sacral

    def from_body(self, seed: Body, *, up: bool, until: Sequence[Body] = ()) -> list[Body]:
        """Bodies beyond the seed, nearest first, up to one of those known already.

        Downwards it ends with the first that is surely sacral.
        """
        found: list[Body] = []
        current, known = seed, [seed]
        while len(found) < _MOST_BODIES:
            if not up and sacral_probability(self._bone, current, self._settings) >= self._settings.surely_sacral:
                break
            following = self._next(current, known, up=up)
            if following is None or known_as(following, until) is not None:
                break
            found.append(following)
            known.append(following)
            current = following
        return found

    def _next(self, body: Body, known: Sequence[Body], *, up: bool) -> Body | None:
        """The likeliest neighbour; where that is a poor one, starts of the size usual in this spine are tried, too.

        A good body between two discs that fits beside this one is not looked for again.
        """
        sign = 1.0 if up else -1.0
        for seed in self._seeds:
            is_next = seed is not body and self._is_neighbour(body, seed, sign)
            if is_next and self._likeness(body, body, seed, up=up) >= self._settings.good_likeness:
                return seed
        best = self._likeliest(body, body, up=up)
        if best is None or quality(best) >= self._settings.poor_quality:
            return best
        sizes = np.median([(each.height_mm, each.depth_mm, each.width_mm) for each in known], axis=0)
        usual = replace(body, height_mm=float(sizes[0]), depth_mm=float(sizes[1]), width_mm=float(sizes[2]))
        other = self._likeliest(body, usual, up=up)
        return max((best, other or best), key=lambda each: self._likeness(body, usual, each, up=up))

    def _likeliest(self, body: Body, sized: Body, *, up: bool) -> Body | None:
        """The best of what the steps lead to; the first that is good, for then the others lead there, too."""
        best, likeness = None, -np.inf
        for gap_mm, lean_deg in self._steps(body, up=up):
            tried = self._step(body, sized, gap_mm, lean_deg, up=up)
            if tried is None or (like := self._likeness(body, sized, tried, up=up)) <= likeness:
                continue
            best, likeness = tried, like
            if likeness >= self._settings.good_likeness:
                break
        return best

    def _steps(self, body: Body, *, up: bool) -> tuple[tuple[float, float], ...]:
        """The usual steps; beside a spacer those to its far side, too, for no edge can be told from its streaks."""
        far_mm = self._blocks.far_side_mm(body, up=up)
        return _STEPS[up] if far_mm is None else (*_STEPS[up], *((far_mm, lean_deg) for lean_deg in _LEANS[up]))

    def _likeness(self, body: Body, sized: Body, other: Body, *, up: bool) -> float:
        """Worth of a neighbour, about as high as ``sized`` (a sacral one need not be) and a disc away from ``body``."""
        return self.worth(other) - self._unlike(sized, other) - self.odd_gap(body, other, up=up)

    def _unlike(self, body: Body, other: Body) -> float:
        return min(abs(float(np.log(other.height_mm / body.height_mm))), self._settings.most_unlike)

    def worth(self, body: Body) -> float:
        """Quality of a body, less what it costs to swallow a spacer, or to reach into one farther than it can sink."""
        swallowed = self._blocks.swallowed_by(body) - self._settings.block_share
        cost = self._settings.block_cost * max(swallowed, 0.0) / (1.0 - self._settings.block_share)
        faces_mm = [face for face in self._blocks.faces_mm(body) if face is not None]
        deepest_mm = max((body.height_mm / 2 - face for face in faces_mm), default=0.0)
        return quality(body) - max(cost, _ODD_PER_MM * max(deepest_mm - self._settings.sunk_mm, 0.0))

    def odd_gap(self, body: Body, other: Body, *, up: bool) -> float:
        """What a neighbour costs that leaves no room for a disc, or room for more than one or than the spacer in it."""
        low, high = _USUAL_GAP_MM
        spacer_mm = self._blocks.height_between_mm(*((other, body) if up else (body, other)))
        if spacer_mm is not None:
            high = min(high, spacer_mm + self._settings.beside_block_mm)
        gap = gap_mm(body, other, 1.0 if up else -1.0)
        return _ODD_PER_MM * max(low - gap, gap - high, 0.0)

    def _step(self, body: Body, sized: Body, gap_mm: float, lean_deg: float, *, up: bool) -> Body | None:
        """The neighbour beyond a disc of ``gap_mm`` that leans by ``lean_deg`` more; None where there is none.

        It is looked for with the size of ``sized``.
        """
        sign = 1.0 if up else -1.0
        turn = RigidTransform.about(np.zeros(3), body.axes[2] * np.radians(lean_deg), np.zeros(3))
        axes = turn.turn(body.axes)
        to_disc, from_disc = (body.height_mm + gap_mm) / 2, (sized.height_mm + gap_mm) / 2
        centre = body.centre_lps_mm + sign * (to_disc * body.axes[1] + from_disc * axes[1])
        start = replace(sized, centre_lps_mm=centre, axes=axes)
        if not self._is_in_view(start, lowest=-1.0 if up else 0.0):
            return None
        fitted = self._fit(start, self._is_in_view(start, lowest=-1.0))
        return fitted if self._is_neighbour(body, fitted, sign) else None

    def _is_in_view(self, body: Body, *, lowest: float) -> bool:
        """Whether a body's roof is in view, and its posterior wall down to ``lowest`` half heights from its centre.

        The front of a sacrum reaches lower than its wall and is often cut.
        """
        front = () if lowest > -1.0 else ((-1.0, lowest),)
        corners = [
            body.centre_lps_mm + np.array([p * body.depth_mm / 2, c * body.height_mm / 2, 0.0]) @ body.axes
            for p, c in ((-1.0, 1.0), (1.0, 1.0), (1.0, lowest), *front)
        ]
        index = self._volume.to_index(np.array(corners))
        return bool(np.all((index >= 0) & (index <= np.array(self._volume.shape[::-1]) - 1)))

    def _is_neighbour(self, body: Body, other: Body, sign: float) -> bool:
        """Whether a fitted body can be the next one: size, disc between them, offset and angle.

        Upwards it stands before the canal, too. Beside a sacrum the canal may have been lost.
        """
        if not is_plausible(other, self._settings) or (sign > 0.0 and not is_before_canal(other, self._canal)):
            return False
        between, along = other.centre_lps_mm - body.centre_lps_mm, _common_axis(body, other)
        aside = np.linalg.norm(between - (between @ along) * along)
        angle = np.degrees(np.arccos(np.clip(body.axes[1] @ other.axes[1], -1.0, 1.0)))
        return bool(-3.0 <= gap_mm(body, other, sign) <= 20.0 and aside <= 16.0 and angle <= 38.0)


def _common_axis(body: Body, other: Body) -> Points:
    along = body.axes[1] + other.axes[1]
    return along / np.linalg.norm(along)


def gap_mm(body: Body, other: Body, sign: float) -> float:
    """Height of what lies between a body and the next one up (``sign`` 1) or down (-1)."""
    between = other.centre_lps_mm - body.centre_lps_mm
    return sign * float(between @ _common_axis(body, other)) - (body.height_mm + other.height_mm) / 2


_USUAL_GAP_MM = 2.5, 15.0
_ODD_PER_MM = 0.05
_MOST_BODIES = 20
_STEPS = {True: ((8.0, 0.0), (5.0, -6.0), (12.0, 0.0)), False: ((9.0, 6.0), (6.0, 14.0), (12.0, 14.0), (9.0, 24.0))}
"""(disc height, further lean to the back) tried upwards and downwards: discs grow and lean more towards the sacrum."""
_LEANS = {True: (0.0, -8.0), False: (0.0, 10.0, 20.0)}
"""Further lean tried upwards and downwards at the far side of a spacer."""
