"""The randomised patients: the same from the same seed, varied, and with a truth that the scene obeys."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.phantom.randomised import SliceClass, draw_displacement, draw_patient

SEED = 5


def test_one_number_is_one_patient():
    first, again = (draw_patient(SEED, 3, SliceClass.THIN) for _ in range(2))
    assert first.levels == again.levels
    assert first.baseline.protocol == again.baseline.protocol
    assert [each.motions for each in first.follow_ups] == [each.motions for each in again.follow_ups]


def test_patients_differ_in_level_design_material_and_count_of_lumbar_vertebrae():
    patients = [draw_patient(SEED, number, SliceClass.THIN) for number in range(60)]
    fixations = [patient.fixations[0] for patient in patients]
    assert len({each.design for each in fixations}) == 3
    assert len({each.material for each in fixations}) == 2
    assert {each.has_screws for each in fixations} == {each.is_paired for each in fixations} == {True, False}
    assert {patient.lumbar for patient in patients} == {4, 5, 6}
    assert any(len(patient.fixations) == 2 for patient in patients)


@pytest.mark.parametrize(("slice_class", "largest"), [(SliceClass.THIN, 1.25), (SliceClass.THICK, 2.5)])
def test_slices_are_of_their_class(slice_class, largest):
    exams = [draw_patient(SEED, number, slice_class).baseline for number in range(10)]
    assert all(exam.protocol.spacing_mm <= largest for exam in exams)


def test_the_scene_moves_each_spacer_by_its_true_displacement():
    for number in range(12):
        patient = draw_patient(SEED, number, SliceClass.THICK)
        before = {each.name: each for each in patient.baseline.scene.implants}
        for follow_up in patient.follow_ups:
            for implant in follow_up.exam.scene.implants:
                own = implant.carrier_from_own.translation_mm - before[implant.name].carrier_from_own.translation_mm
                truth = follow_up.motions.get(implant.name)
                wanted = np.zeros(3) if truth is None else truth.translation_mm
                assert own == pytest.approx(wanted, abs=1e-9)


def test_displacements_are_still_small_between_and_large():
    rng = np.random.default_rng(SEED)
    sizes = np.array([draw_displacement(rng).magnitude_mm for _ in range(400)])
    assert (sizes == 0.0).mean() == pytest.approx(0.3, abs=0.08)
    assert (sizes >= 2.5).mean() == pytest.approx(0.4, abs=0.08)
    assert sizes.max() <= 9.0
