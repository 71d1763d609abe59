"""Whole labellings from bodies and anchors: names, variants, missed and false bodies, label maps, doubt in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plumbline.anatomy.labelling import NumberingSettings, SacrumEvidence, number_from_sacrum, number_spine
from plumbline.anatomy.numbering import NOT_A_VERTEBRA
from plumbline.anatomy.numbering_doubts import doubt_of_names
from plumbline.anatomy.spine_evidence import BodyEvidence, SpineEvidence
from plumbline.errors import InvalidInput

from .spines import draw, variant_with

USUAL = variant_with(12, 5)


@pytest.fixture
def rng():
    return np.random.default_rng(20260302)


def test_a_detector_that_sees_where_the_ribs_end_names_every_vertebra(rng):
    names, bodies = draw("T9", "L5", USUAL, rng)
    numbering = number_spine(SpineEvidence(bodies, sacrum_below=0.9))
    assert numbering.best.names == names
    assert numbering.anchor == "sacrum"
    assert numbering.conflict is None
    assert number_spine(SpineEvidence(bodies)).anchor == "last-rib"


def test_without_any_anchor_the_names_are_doubted(rng):
    _, bodies = draw("T12", "L4", USUAL, rng, regions=False)
    numbering = number_spine(SpineEvidence(bodies))
    assert numbering.anchor is None
    assert "cannot be named" in numbering.conflict


def test_six_lumbar_vertebrae_above_a_sure_sacrum_are_counted_and_said(rng):
    names, bodies = draw("T10", "L6", variant_with(12, 6), rng)
    numbering = number_spine(SpineEvidence(bodies, sacrum_below=0.98))
    assert numbering.best.names == names
    assert "Six lumbar" in numbering.conflict


def test_four_lumbar_vertebrae_above_a_sure_sacrum_are_counted_and_said(rng):
    names, bodies = draw("T9", "L4", variant_with(12, 4), rng)
    numbering = number_spine(SpineEvidence(bodies, sacrum_below=0.98))
    assert names in [each.names for each in numbering.labellings]
    assert numbering.conflict


def test_a_missed_vertebra_shifts_no_name(rng):
    names, bodies = draw("T9", "L5", USUAL, rng)
    numbering = number_spine(SpineEvidence(bodies[:5] + bodies[6:], sacrum_below=0.9))
    assert numbering.best.names == names[:5] + names[6:]


def test_a_false_body_between_two_vertebrae_is_no_vertebra(rng):
    names, bodies = draw("T9", "L5", USUAL, rng)
    middle = (bodies[5].centre_lps_mm + bodies[6].centre_lps_mm) / 2 + [9.0, 4.0, 0.0]
    numbering = number_spine(SpineEvidence((*bodies[:6], BodyEvidence(middle), *bodies[6:]), sacrum_below=0.9))
    assert numbering.best.names == (*names[:6], NOT_A_VERTEBRA, *names[6:])


def labelled(bodies, names):
    return tuple(replace(body, region=None, label=name) for body, name in zip(bodies, names, strict=True))


def test_a_label_map_is_an_anchor(rng):
    names, bodies = draw("T11", "L5", USUAL, rng)
    numbering = number_spine(SpineEvidence(labelled(bodies, names)))
    assert numbering.best.names == names
    assert numbering.anchor == "label-map"
    assert numbering.conflict is None


def test_a_label_map_that_is_one_off_against_the_sacrum_is_a_declared_conflict(rng):
    _, bodies = draw("T12", "S1", USUAL, rng)
    shifted = labelled(bodies, ("T11", "T12", "L1", "L2", "L3", "L4", "L5"))
    shifted = (*shifted[:-1], replace(shifted[-1], is_sacral=0.97))
    numbering = number_spine(SpineEvidence(shifted))
    assert "off by one" in numbering.conflict


def test_one_wrong_name_in_a_label_map_is_corrected_and_said(rng):
    names, bodies = draw("T11", "L5", USUAL, rng)
    wrong = (*names[:3], "L4", *names[4:])
    numbering = number_spine(SpineEvidence(labelled(bodies, wrong)))
    assert numbering.best.names == names
    assert "The label map says L4" in numbering.conflict


def test_spacing_that_fits_no_spine_is_said():
    bodies = tuple(BodyEvidence(np.array([0.0, 0.0, -8.0 * i]), region=(0.02, 0.5, 0.5)) for i in range(7))
    assert number_spine(SpineEvidence(bodies)).conflict


def test_a_last_rib_decides_between_five_and_six_lumbar_vertebrae(rng):
    names, bodies = draw("T11", "L6", variant_with(12, 6), rng, regions=False)
    evidence = [SacrumEvidence(len(bodies), 0.99)]
    without = number_from_sacrum(len(bodies), evidence, bodies=bodies)
    with_rib = number_from_sacrum(len(bodies), evidence, bodies=bodies, last_rib={1: 0.99})
    assert without.best.names[-1] == "L5"
    assert with_rib.best.names == names
    assert "Six lumbar" in with_rib.conflict


def with_ribs(bodies, last):
    """The same bodies: ribs surely seen down to ``last``, none at the next one, nobody looked farther down."""
    said = dict.fromkeys(range(last + 1), 0.99) | {last + 1: 0.01}
    return tuple(replace(body, bears_rib=said.get(index)) for index, body in enumerate(bodies))


@pytest.mark.parametrize("lumbar", [4, 5, 6])
def test_ribs_and_sacrum_together_count_the_lumbar_vertebrae(rng, lumbar):
    names, bodies = draw("T11", f"L{lumbar}", variant_with(12, lumbar), rng, regions=False)
    evidence = [SacrumEvidence(len(bodies), 0.99)]
    numbering = number_from_sacrum(len(bodies), evidence, bodies=with_ribs(bodies, 1))
    assert numbering.best.names == names
    assert (numbering.conflict is None) == (lumbar == 5), "an unusual count is said"
    if lumbar == 5:
        assert numbering.confidence >= 0.98


@pytest.mark.parametrize("lumbar", [4, 5, 6])
def test_a_body_above_those_to_be_named_counts_with_its_rib(rng, lumbar):
    names, bodies = draw("T12", f"L{lumbar}", variant_with(12, lumbar), rng, regions=False)
    count = len(bodies) - 1
    numbering = number_from_sacrum(count, [SacrumEvidence(count, 0.99)], bodies=with_ribs(bodies, 0))
    assert numbering.best.names == names[1:]
    assert all(len(each.names) == count for each in numbering.labellings)


def test_ribs_decide_which_body_is_the_first_sacral_one(rng):
    names, bodies = draw("T12", "L5", USUAL, rng, regions=False)
    doubtful = [SacrumEvidence(len(bodies), 0.85), SacrumEvidence(len(bodies) - 1, 0.15)]
    without = number_from_sacrum(len(bodies), doubtful, bodies=bodies)
    assert without.confidence < 0.9
    counted = number_from_sacrum(len(bodies), doubtful, bodies=with_ribs(bodies, 0))
    assert counted.best.names == names
    assert counted.confidence >= 0.98


def test_ribs_name_a_spine_whose_sacrum_is_out_of_view(rng):
    names, bodies = draw("T11", "L3", USUAL, rng, regions=False)
    seen = tuple(replace(body, is_sacral=0.02) for body in with_ribs(bodies, 1))
    numbering = number_from_sacrum(len(bodies), [SacrumEvidence(len(bodies) - 1, 0.02)], bodies=seen)
    assert numbering.best.names == names
    assert numbering.anchor == "last-rib"


def test_a_rib_on_one_side_alone_declares_a_doubt(rng):
    """A lumbar rib and a last thoracic vertebra without a fellow look the same."""
    _, bodies = draw("T11", "L5", USUAL, rng, regions=False)
    said = (0.99, 0.99, 0.5)
    bodies = tuple(replace(body, bears_rib=p) for body, p in zip(bodies, (*said, *[None] * 4), strict=True))
    numbering = number_from_sacrum(len(bodies), [SacrumEvidence(len(bodies), 0.99)], bodies=bodies)
    assert numbering.confidence < 0.98
    assert "four" in doubt_of_names(numbering, 0.98)


def test_the_axis_anchors_a_cervical_spine(rng):
    names, bodies = draw("C2", "C7", USUAL, rng, regions=False)
    numbering = number_spine(SpineEvidence(bodies, second_cervical={0: 0.99}))
    assert numbering.anchor == "C2"
    assert numbering.best.names == names


def test_what_an_order_speaks_of_is_only_a_weak_prior(rng):
    names, bodies = draw("T9", "L5", USUAL, rng)
    shifted_text = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "L6")
    assert number_spine(SpineEvidence(bodies, sacrum_below=0.9, written_names=shifted_text)).best.names == names


def test_probabilities_are_of_whole_labellings_and_sum_to_at_most_one(rng):
    _, bodies = draw("T9", "L5", USUAL, rng, regions=False)
    numbering = number_spine(SpineEvidence(bodies))
    assert 0.0 < sum(each.probability for each in numbering.labellings) <= 1.0 + 1e-9
    assert len({each.names for each in numbering.labellings}) == len(numbering.labellings)


def test_nothing_to_name_and_disorder_are_refused(rng):
    _, bodies = draw("T9", "L5", USUAL, rng)
    with pytest.raises(InvalidInput, match="no vertebral body"):
        number_spine(SpineEvidence(()))
    with pytest.raises(InvalidInput, match="order"):
        number_spine(SpineEvidence(bodies[::-1]))
    with pytest.raises(InvalidInput, match="finite"):
        BodyEvidence(np.array([0.0, np.nan, 1.0]))


def test_names_that_hang_on_the_last_rib_alone_are_doubted():
    """A twelfth rib may be a stub that is taken for a transverse process."""
    names, bodies = draw("T9", "L4", USUAL, np.random.default_rng(1), regions=False)
    seen = with_ribs(bodies, 3)
    below = [SacrumEvidence(len(bodies) - 1, 0.02)]
    numbering = number_from_sacrum(len(bodies), below, bodies=seen, settings=NumberingSettings(sure_from=0.5))
    assert numbering.best.names == names
    assert "last rib alone" in numbering.conflict
