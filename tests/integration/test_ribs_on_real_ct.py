"""The built-in localiser on a real CT: ribs that agree with the sacrum leave no doubt, ribs cut off leave it declared.

Skipped, with a sentence, where the real data are not beside the checkout.
"""

from __future__ import annotations

import pytest

from plumbline.anatomy.numbering_doubts import doubt_of_names
from plumbline.checks.thresholds import CheckThresholds
from plumbline.demo.real_input import SHARED_DATA, read_real_anatomy, scanner_order
from plumbline.imaging.hardware import metal_mask
from plumbline.imaging.localise import localise_spine
from plumbline.imaging.metal_pieces import MetalPieces

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(300)]
FOLDER = SHARED_DATA / "ct-t11-pelvis"
SURE_FROM = CheckThresholds().sure_name_confidence


@pytest.fixture(scope="module")
def ct():
    if not (FOLDER / "ct.nii.gz").exists():
        pytest.skip("the real CT is not beside this checkout (../shared/data/ct-t11-pelvis)")
    return scanner_order(read_real_anatomy(FOLDER).volume)


def located(ct, *, slices_off):
    top = ct.crop((0, 0, 0), (ct.shape[0] - slices_off, *ct.shape[1:]))
    return localise_spine(top, pieces=MetalPieces(top, metal_mask(top)))


@pytest.mark.parametrize("slices_off", [0, 3])
def test_with_the_last_ribs_in_view_the_names_are_right_and_sure(ct, slices_off):
    """T12 itself is cut by the border; its ribs are not."""
    spine = located(ct, slices_off=slices_off)
    assert spine.names == ("L1", "L2", "L3", "L4", "L5", "S1")
    assert doubt_of_names(spine.numbering, SURE_FROM) is None


@pytest.mark.parametrize("slices_off", [10, 22])
def test_without_ribs_in_view_the_names_are_right_and_their_doubt_is_declared(ct, slices_off):
    spine = located(ct, slices_off=slices_off)
    assert spine.names == ("L1", "L2", "L3", "L4", "L5", "S1")[-len(spine.names) :]
    assert "from the sacrum alone" in str(doubt_of_names(spine.numbering, SURE_FROM))
