"""Small pictures of everything that is drawn, kept as numbers: by them it is known whether pictures have changed.

Rendered volumes are cached by these numbers (``picture_key``). Code that draws the same pictures in another way keeps
the caches; code that draws other pictures fails the test of this module until the numbers are learnt anew with
``python -m plumbline.phantom.sample``, and with them the caches are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.phantom.fixation import Fixation, fixate
from plumbline.phantom.hardware import Material, SpacerDesign, hip_replacement
from plumbline.phantom.metal import Beam
from plumbline.phantom.scanner import BONE, Protocol, render
from plumbline.phantom.scene import Posture, Scene
from plumbline.phantom.spine import VirtualSpine, draw_spine

Field = NDArray[Any]

TOLERANCE_HU = 0.5
"""Pictures are the same when no block's mean or spread differs by more."""
_FILE = "sample.json"
_SEED = 41
_BLOCK = 8
_STEADY = Beam(photons=1e12, floor_photons=1e-3)
"""So many photons that their noise, which hangs on the last digit of a sum, is not seen."""
_SMALL = Protocol(
    rows=96,
    columns=96,
    pixel_mm=3.0,
    slices=3,
    spacing_mm=3.0,
    thickness_mm=3.0,
    beam=_STEADY,
    largest_hu=30000.0,
    has_noise=False,
)


def picture_key() -> str:
    """Key for caches of rendered volumes; another one when pictures look different."""
    return hashlib.sha256((files("plumbline.phantom") / _FILE).read_bytes()).hexdigest()


def kept() -> Mapping[str, Field]:
    """The numbers that are kept, by picture; see ``drawn``."""
    found = json.loads((files("plumbline.phantom") / _FILE).read_text())
    return {name: np.array(numbers) for name, numbers in found.items()}


def drawn(*, most: int | None = None) -> Mapping[str, Field]:
    """By picture (the first ``most``): mean and spread (last axis) of the blocks of 8 x 8 pixels of each slice, HU."""
    pictures = islice(_pictures(), most)
    return {name: _blocks(render(scene, protocol, _SEED).voxels) for name, scene, protocol in pictures}


def _blocks(voxels: Field) -> Field:
    slices, rows, columns = voxels.shape
    blocks = voxels.astype(float).reshape(slices, rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
    return np.stack([blocks.mean(axis=(2, 4)), blocks.std(axis=(2, 4))], axis=-1)


def _pictures() -> Iterator[tuple[str, Scene, Protocol]]:
    titanium = _scene(Material.TITANIUM, SpacerDesign.BULLET)
    yield "titanium, bone kernel", titanium, _about(titanium, "L5", replace(_SMALL, kernel=BONE, slices=14))
    peek = _scene(Material.PEEK, SpacerDesign.BANANA)
    yield "PEEK and the couch", peek, _about(peek, "L4", replace(_SMALL, pixel_mm=4.0))
    anterior = _scene(Material.TITANIUM, SpacerDesign.ALIF)
    yield "close to an anterior spacer", anterior, _about(anterior, "L5", replace(_SMALL, pixel_mm=1.0))
    untouched = replace(titanium, implants=())
    yield "ribs, with noise", untouched, _about(untouched, "T12", replace(_SMALL, has_noise=True, kernel=BONE))
    hip = replace(titanium, implants=(hip_replacement(1.0),))
    yield "a hip", hip, _about(hip, "S1", _SMALL, below_mm=95.0)


def _about(scene: Scene, vertebra: str, protocol: Protocol, *, below_mm: float = 0.0) -> Protocol:
    x, y, z = scene.centre_lps_mm(vertebra).tolist()
    return replace(protocol, centre_lps_mm=(x, y, z - below_mm))


@lru_cache(maxsize=1)
def _spine() -> VirtualSpine:
    return draw_spine(_SEED, lumbar=5)


def _scene(material: Material, design: SpacerDesign) -> Scene:
    fixation = Fixation("L4", "L5", material=material, design=design, turn_deg=4.0)
    posture = Posture.draw(_spine().names, np.random.default_rng(_SEED), bend_deg=4.0, shift_mm=20.0, turn_deg=8.0)
    return Scene(_spine(), fixate(_spine(), fixation), posture, _SEED)


def main() -> None:
    """Learn the numbers anew."""
    numbers = {name: np.round(picture, 1).tolist() for name, picture in drawn().items()}
    Path(__file__).with_name(_FILE).write_text(json.dumps(numbers, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
