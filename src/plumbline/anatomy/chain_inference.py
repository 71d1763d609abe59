"""Exact inference over whole labellings: a hidden Markov chain of places over the ordered bodies.

Between two bodies that are vertebrae others may have been missed (skipped) and bodies that are none may lie
(false). What is common to the whole spine (how it counts, the person's size and posture, a label map shifted as
a whole) is a *setting* of the chain: the labelling's probability is summed over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.anatomy.numbering import NOT_A_VERTEBRA

Table = NDArray[Any]
_NONE = -1
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class ChainModel:
    """The chain of one spine with ``n`` bodies, ``k`` places and ``h`` settings; all plain likelihoods.

    Parameters
    ----------
    names
        By variant: the names of its places, cranial to caudal; at most ``k``.
    start
        Shape (k, h): prior of the first vertebra's place.
    end
        Shape (k, h): likelihood that nothing more is found below this place.
    emission
        Shape (n, k, h): of what each body says, given its place.
    false
        Shape (n,): of what each body says if it is no vertebra, with how rare that is.
    steps
        By (upper body, lower body), shape (s, k, h): from place p of the upper body, with 0 to s - 1 missed
        vertebrae between, to the lower body; the bodies between them are none.
    prior, variant, shift
        Shape (h,) each: of the settings, their way to count, and by how many places the label map is off.
    """

    names: tuple[tuple[str, ...], ...]
    start: Table
    end: Table
    emission: Table
    false: Table
    steps: dict[tuple[int, int], Table]
    prior: Table
    variant: NDArray[np.intp]
    shift: NDArray[np.intp]

    @property
    def count(self) -> int:
        """How many bodies there are."""
        return len(self.false)

    def lead(self, last: int) -> float:
        """Likelihood of the bodies before ``last`` being false."""
        return float(np.prod(self.false[:last]))

    def tail(self, first: int) -> float:
        """Likelihood of the bodies after ``first`` being false."""
        return float(np.prod(self.false[first + 1 :]))

    def evidence(self) -> Table:
        """Likelihood of everything found, by setting, its prior included; shape (h,)."""
        alpha = np.zeros_like(self.emission)
        total = np.full(len(self.prior), np.prod(self.false))
        for lower in range(self.count):
            alpha[lower] = self.lead(lower) * self.start
            for upper in range(lower):
                for skipped, step in enumerate(self.steps.get((upper, lower), ())):
                    alpha[lower][skipped + 1 :] += (alpha[upper] * step)[: -skipped - 1]
            alpha[lower] *= self.emission[lower]
            total += self.tail(lower) * (self.end * alpha[lower]).sum(axis=0)
        return self.prior * total

    def score(self, labelling: tuple[str, ...]) -> float:
        """Likelihood of one labelling over all settings, their prior included."""
        return sum(self._score_in(variant, labelling) for variant in range(len(self.names)))

    def _score_in(self, variant: int, labelling: tuple[str, ...]) -> float:
        """The part of the likelihood that one way to count has; 0 where it has not all of the names."""
        columns = np.flatnonzero(self.variant == variant)
        found = [index for index, name in enumerate(labelling) if name != NOT_A_VERTEBRA]
        if not found:
            return float(self.prior[columns].sum() * np.prod(self.false))
        places = {name: place for place, name in enumerate(self.names[variant])}
        if any(labelling[index] not in places for index in found):
            return 0.0
        at = {index: places[labelling[index]] for index in found}
        value = self.prior[columns] * self.start[at[found[0]], columns] * self.lead(found[0])
        for upper, lower in pairwise(found):
            step = self.steps.get((upper, lower))
            skipped = at[lower] - at[upper] - 1
            if step is None or not 0 <= skipped < len(step):
                return 0.0
            value = value * step[skipped, at[upper], columns]
        for index in found:
            value = value * self.emission[index, at[index], columns]
        return float((value * self.end[at[found[-1]], columns]).sum()) * self.tail(found[-1])

    def candidates(self, setting: int, least_share: float) -> Iterator[tuple[str, ...]]:
        """For every body and every place, the best labelling in which it has that place, the hopeless left out."""
        names = self.names[self.variant[setting]]
        for path in _BestPaths(self, setting).through_every_place(least_share):
            yield tuple(NOT_A_VERTEBRA if place == _NONE else names[place] for place in path)


class _BestPaths:
    """The best labelling up to, and from, every place of every body, for one setting."""

    def __init__(self, model: ChainModel, setting: int) -> None:
        self._model = model
        self._steps = {pair: step[:, :, setting] for pair, step in model.steps.items()}
        self._emission = model.emission[:, :, setting]
        self._start, self._end = model.start[:, setting], model.end[:, setting]
        shape = self._emission.shape
        self._up, self._up_from = np.zeros(shape), np.full((*shape, 2), _NONE)
        self._down, self._down_to = np.zeros(shape), np.full((*shape, 2), _NONE)
        for body in range(model.count):
            self._reach_from_above(body)
        for body in reversed(range(model.count)):
            self._reach_from_below(body)

    def _reach_from_above(self, body: int) -> None:
        self._up[body] = self._model.lead(body) * self._start
        for upper in range(body):
            for skipped, step in enumerate(self._steps.get((upper, body), ())):
                value = (self._up[upper] * step)[: -skipped - 1]
                place = np.arange(len(value))
                _keep_better(self._up[body][skipped + 1 :], self._up_from[body][skipped + 1 :], value, upper, place)
        self._up[body] *= self._emission[body]

    def _reach_from_below(self, body: int) -> None:
        self._down[body] = self._model.tail(body) * self._end
        for lower in range(body + 1, self._model.count):
            onward = self._down[lower] * self._emission[lower]
            for skipped, step in enumerate(self._steps.get((body, lower), ())):
                value = step[: -skipped - 1] * onward[skipped + 1 :]
                place = np.arange(skipped + 1, len(onward))
                _keep_better(self._down[body][: -skipped - 1], self._down_to[body][: -skipped - 1], value, lower, place)

    def through_every_place(self, least_share: float) -> Iterator[tuple[int, ...]]:
        through = self._up * self._down
        hopeful = through > least_share * max(float(through.max()), _LEAST)
        for body, place in np.argwhere(hopeful):
            yield self._path(int(body), int(place))

    def _path(self, body: int, place: int) -> tuple[int, ...]:
        path = [_NONE] * self._model.count
        path[body] = place
        for pointers in (self._up_from, self._down_to):
            here, its_place = body, place
            while (following := pointers[here, its_place])[0] != _NONE:
                here, its_place = int(following[0]), int(following[1])
                path[here] = its_place
        return tuple(path)


def _keep_better(best: Table, pointer: Table, value: Table, body: int, place: NDArray[np.intp]) -> None:
    better = value > best
    best[better] = value[better]
    pointer[better, 0] = body
    pointer[better, 1] = place[better]
