"""The sample by which caches of rendered volumes are keyed: the renderer still draws it, and a change would show.

Not here: whether the pictures are good ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from plumbline.phantom import sample, scanner

LEARN = "pictures look different: run `python -m plumbline.phantom.sample`, and caches are rendered anew"


@pytest.fixture(scope="module")
def drawn() -> Mapping[str, np.ndarray]:
    return sample.drawn()


def worst_hu(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


def test_pictures_look_as_those_that_caches_hold(drawn):
    assert drawn.keys() == sample.kept().keys(), LEARN
    assert worst_hu(drawn, sample.kept()) <= sample.TOLERANCE_HU, LEARN


def test_discs_that_are_a_little_brighter_show(drawn, monkeypatch):
    monkeypatch.setattr(scanner, "_DISC_HU", scanner._DISC_HU + 4.0)
    assert worst_hu(sample.drawn(most=1), drawn) > 2.0 * sample.TOLERANCE_HU
