"""A view puts both exams into the frame of one vertebra; what it says holds in the measured volumes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plumbline.anatomy.transforms import RigidTransform
from plumbline.errors import AnalysisFailed
from plumbline.imaging.hardware import Implant, ImplantKind
from plumbline.pipeline.documents import Comparison, comparison_document, comparison_from_document
from plumbline.pipeline.views import outline_document, views_of
from tests.unit.checks.conftest import *  # noqa: F403 (fixtures of analysed exams)

SERIES = {"2.25.101": "2.25.101.1", "2.25.102": "2.25.102.1"}


@pytest.fixture(scope="module")
def view(compare, migrated):
    return json.loads(json.dumps(views_of(compare(migrated), SERIES)[0]))


def transform(document):
    return RigidTransform(np.array(document["rotation"]), np.array(document["translation_mm"]))


def test_a_view_names_both_exams_and_the_level(view):
    assert view["level"] == "L4-L5"
    assert view["current"] == {"study_instance_uid": "2.25.102", "series_instance_uid": "2.25.102.1"}
    assert view["reference"] == {
        "study_instance_uid": "2.25.101",
        "series_instance_uid": "2.25.101.1",
        "role": "baseline",
    }


def test_the_transform_carries_the_vertebra_below_onto_itself(view):
    carried = transform(view["reference_from_current"])
    world_moved = LYING.inverse()  # noqa: F405
    for point in np.eye(3) * 20.0:
        assert carried.apply(point) == pytest.approx(world_moved.apply(point), abs=0.6)


def test_the_displacement_is_told_and_drawn_alike(view):
    start, end = (np.array(point) for point in view["displacement_lps_mm"])
    assert np.linalg.norm(end - start) == pytest.approx(view["displacement_mm"]["value"], abs=0.02)
    assert view["displacement_mm"]["value"] == pytest.approx(3.5, abs=0.3)


def test_the_outlines_enclose_their_spacers(view, migrated):
    centre = migrated.hardware.spacers[0].centre_lps_mm
    points = np.array(view["outline"]["points_lps_mm"])
    assert (points.min(axis=0) < centre).all()
    assert (points.max(axis=0) > centre).all()
    assert np.max(view["outline"]["triangles"]) == len(points) - 1


def test_without_a_baseline_the_current_exam_stands_alone_and_says_why(compare, migrated):
    (view,) = views_of(compare(migrated, baseline=None, missing_baseline="none was found"), SERIES)
    assert view["reference"] is None
    assert "none was found" in view["why_alone"]


def test_an_exam_that_could_not_be_analysed_has_no_view(compare):
    assert views_of(compare(AnalysisFailed("no spine was found")), SERIES) == ()


def test_metal_without_a_volume_has_no_outline():
    flat = np.array([[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [5, 5, 0]])
    assert outline_document(Implant(ImplantKind.SPACER_MARKERS, flat, flat.mean(axis=0), 1.0, 0, 1)) is None


def test_views_outlive_the_step(compare, migrated):
    comparison = Comparison((), views=views_of(compare(migrated), SERIES))
    stored = json.loads(json.dumps(comparison_document(comparison)))
    assert comparison_from_document(stored).views[0]["frame"] == comparison.views[0]["frame"]
