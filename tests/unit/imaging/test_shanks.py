"""What touches a pedicle screw in front of the canal is parted from it, before any vertebra is known."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.imaging.hardware import metal_mask
from plumbline.imaging.metal_blocks import MetalBlocks
from plumbline.imaging.metal_pieces import MetalPieces
from plumbline.imaging.shanks import part_from_shanks
from plumbline.imaging.volume import Volume

from .test_screws import HEAD, ROD, SHANK, TOUCHING_SPACER, scan

CANAL = np.stack([np.full(60, -6.0), np.full(60, 6.0), np.arange(-35.0, 25.0)], axis=1)
"""The screw passes it 10 to 15 mm to the left."""


def parted(volume: Volume) -> MetalPieces:
    pieces = MetalPieces(volume, metal_mask(volume))
    part_from_shanks(volume, pieces, CANAL)
    return pieces


def large(pieces: MetalPieces) -> list[int]:
    return [number for number in range(1, len(pieces.sizes)) if pieces.sizes[number] * pieces.voxel.mm3 >= 300.0]


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 1.0), (0.7, 0.7, 2.5)])
def test_a_spacer_that_touches_a_screw_becomes_a_piece_of_its_own(spacing_mm):
    volume = scan(SHANK, HEAD, ROD, TOUCHING_SPACER, spacing_mm=spacing_mm)
    whole = MetalPieces(volume, metal_mask(volume))
    assert len(large(whole)) == 1, "they are one piece"
    pieces = parted(volume)
    construct, spacer = large(pieces)
    middle = pieces.points[pieces.piece == spacer].mean(axis=0)
    np.testing.assert_allclose(middle, (TOUCHING_SPACER[0] + TOUCHING_SPACER[1]) / 2, atol=2.0)
    assert pieces.points[pieces.piece == construct][:, 1].max() > 20.0, "shank, head and rod stay together"
    assert pieces.sizes.sum() == len(pieces.points)
    (block,) = MetalBlocks.of(pieces, CANAL).pieces
    np.testing.assert_allclose(block.mean(axis=0), middle, atol=0.5)


def test_a_screw_that_touches_nothing_stays_whole():
    pieces = parted(scan(SHANK, HEAD, ROD))
    assert len(large(pieces)) == 1
    assert MetalBlocks.of(pieces, CANAL).pieces == (), "a screw goes on behind the canal"


def test_without_a_canal_nothing_is_parted():
    volume = scan(SHANK, HEAD, ROD, TOUCHING_SPACER)
    pieces = MetalPieces(volume, metal_mask(volume))
    part_from_shanks(volume, pieces, CANAL[:1])
    assert len(large(pieces)) == 1
