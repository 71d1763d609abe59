"""Exact inference over whole labellings: a hidden Markov chain of names over the ordered bodies.

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

Table = NDArray[Any]
IS_FALSE = -1
"""In place of a name's index: this body is no vertebra."""


@dataclass(frozen=True, eq=False)
class ChainModel:
    """The chain of one spine with ``n`` bodies, ``k`` names and ``h`` settings; all plain likelihoods.

    Parameters
    ----------
    start
        Shape (k, h): prior of the first vertebra's name.
    end
        Shape (k, h): likelihood that nothing more is found below this name.
    emission
        Shape (n, k, h): of what each body says, given its name.
    false
        Shape (n,): of what each body says if it is no vertebra, with how rare that is.
    steps
        By (upper body, lower body), shape (k, k, h): from the name of one to the name of the other, the
        vertebrae between them missed; the bodies between them are none.
    settings
        Shape (h,): prior of the settings.
    shift
        Shape (h,): by how many places the label map is off in each setting.
    """

    start: Table
    end: Table
    emission: Table
    false: Table
    steps: dict[tuple[int, int], Table]
    settings: Table
    shift: Table

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

    def forward(self) -> Table:
        """Sum over all labellings of the bodies up to each one, that one a vertebra; shape (n, k, h)."""
        alpha = np.zeros_like(self.emission)
        for lower in range(self.count):
            alpha[lower] = self.lead(lower) * self.start
            for upper in range(lower):
                if (upper, lower) in self.steps:
                    alpha[lower] += (alpha[upper][:, None] * self.steps[upper, lower]).sum(axis=0)
            alpha[lower] *= self.emission[lower]
        return alpha

    def evidence(self) -> Table:
        """Likelihood of everything found, by setting, its prior included; shape (h,)."""
        alpha = self.forward()
        closed = [self.tail(last) * (self.end * alpha[last]).sum(axis=0) for last in range(self.count)]
        return self.settings * (np.sum(closed, axis=0) + np.prod(self.false))

    def score(self, path: tuple[int, ...]) -> Table:
        """Likelihood of one labelling, by setting, its prior included; shape (h,)."""
        named = [index for index, name in enumerate(path) if name != IS_FALSE]
        if not named:
            return self.settings * np.prod(self.false)
        value = self.settings * self.start[path[named[0]]] * self.lead(named[0])
        for upper, lower in pairwise(named):
            step = self.steps.get((upper, lower))
            if step is None:
                return np.zeros_like(self.settings)
            value = value * step[path[upper], path[lower]]
        for index in named:
            value = value * self.emission[index, path[index]]
        return value * self.end[path[named[-1]]] * self.tail(named[-1])

    def candidates(self, setting: int, least_share: float) -> set[tuple[int, ...]]:
        """For every body and every name, the best labelling in which it has that name, the hopeless left out."""
        best = _BestPaths(self, setting)
        return set(best.through_every_name(least_share))


class _BestPaths:
    """The best labelling up to, and from, every name of every body, for one setting."""

    def __init__(self, model: ChainModel, setting: int) -> None:
        self._model = model
        self._steps = {pair: step[:, :, setting] for pair, step in model.steps.items()}
        self._emission = model.emission[:, :, setting]
        self._start, self._end = model.start[:, setting], model.end[:, setting]
        shape = self._emission.shape
        self._up, self._up_from = np.zeros(shape), np.full((*shape, 2), IS_FALSE)
        self._down, self._down_to = np.zeros(shape), np.full((*shape, 2), IS_FALSE)
        for body in range(model.count):
            self._reach_from_above(body)
        for body in reversed(range(model.count)):
            self._reach_from_below(body)

    def _reach_from_above(self, body: int) -> None:
        self._up[body] = self._model.lead(body) * self._start
        for upper in range(body):
            if (upper, body) in self._steps:
                value = self._up[upper][:, None] * self._steps[upper, body]
                _keep_better(self._up[body], self._up_from[body], value.max(axis=0), value.argmax(axis=0), upper)
        self._up[body] *= self._emission[body]

    def _reach_from_below(self, body: int) -> None:
        self._down[body] = self._model.tail(body) * self._end
        for lower in range(body + 1, self._model.count):
            if (body, lower) in self._steps:
                value = self._steps[body, lower] * (self._down[lower] * self._emission[lower])[None]
                _keep_better(self._down[body], self._down_to[body], value.max(axis=1), value.argmax(axis=1), lower)

    def through_every_name(self, least_share: float) -> Iterator[tuple[int, ...]]:
        through = self._up * self._down
        hopeful = through > least_share * max(float(through.max()), 1e-300)
        for body, name in np.argwhere(hopeful):
            yield self._path(int(body), int(name))

    def _path(self, body: int, name: int) -> tuple[int, ...]:
        path = [IS_FALSE] * self._model.count
        path[body] = name
        for pointers in (self._up_from, self._down_to):
            here, its_name = body, name
            while (following := pointers[here, its_name])[0] != IS_FALSE:
                here, its_name = int(following[0]), int(following[1])
                path[here] = its_name
        return tuple(path)


def _keep_better(best: Table, pointer: Table, value: Table, name: Table, body: int) -> None:
    better = value > best
    best[better] = value[better]
    pointer[better, 0] = body
    pointer[better, 1] = name[better]
