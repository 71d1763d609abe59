"""From sacrum evidence to whole labellings: names, priors of four and six lumbar vertebrae, doubt in words."""

from __future__ import annotations

import pytest

from plumbline.anatomy.labelling import SacrumEvidence, names_above_sacrum, number_from_sacrum


def test_a_sure_sacrum_anchors_the_names():
    numbering = number_from_sacrum(4, [SacrumEvidence(3, 0.99)])
    assert numbering.best.names == ("L3", "L4", "L5", "S1")
    assert numbering.anchor == "sacrum"
    assert numbering.conflict is None
    assert 0.9 < numbering.confidence < 0.97, "how many lumbar vertebrae there are stays a prior"


def test_four_and_six_lumbar_vertebrae_stay_hypotheses():
    names = {each.names for each in number_from_sacrum(3, [SacrumEvidence(2, 0.99)]).labellings}
    assert ("L5", "L6", "S1") in names
    assert ("L3", "L4", "S1") in names


def test_a_doubtful_sacrum_is_a_conflict_that_names_the_vertebra():
    numbering = number_from_sacrum(4, [SacrumEvidence(3, 0.6), SacrumEvidence(2, 0.4)])
    assert numbering.conflict is not None
    assert "L5" in numbering.conflict
    assert "S1" in numbering.conflict


@pytest.mark.parametrize("evidence", [[], [SacrumEvidence(2, 0.1)]])
def test_without_a_sacrum_nothing_is_named_with_confidence(evidence):
    numbering = number_from_sacrum(3, evidence)
    assert numbering.anchor is None
    assert numbering.confidence < 0.5
    assert numbering.conflict


def test_names_run_on_into_the_thorax():
    assert names_above_sacrum(8, 7)[:3] == ("T11", "T12", "L1")
    assert names_above_sacrum(8, 7, lumbar=4)[:4] == ("T10", "T11", "T12", "L1")
