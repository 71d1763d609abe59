"""Radiographs with landmarks: their spacing and projection, and what becomes of a finding that rests on them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plumbline.anatomy.landmarks import Landmark, fingerprint
from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.pipeline.documents import Comparison, comparison_document, comparison_from_document
from plumbline.pipeline.marked import marked_radiographs, shows_alignment, spacings_of

AT = datetime(2026, 6, 8, 9, 30, tzinfo=UTC)
IMAGE = Instance(
    "2.25.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", 1, ("ORIGINAL",), 3000, 1500, detector_spacing_mm=(0.1, 0.2)
)
OTHER = replace(IMAGE, sop_instance_uid="2.25.1.1.2", pixel_spacing_mm=(0.3, 0.3))
SERIES = Series("2.25.1.1", "DX", (IMAGE, OTHER), description="Full spine lateral standing", view_position="LL")
STUDY = Study("2.25.1", PatientIdentity("P1"), (SERIES,), AT, description="Full spine standing, s/p TLIF L4-L5")


def placed(name, image="2.25.1.1.1", column=1.0, author="Ada"):
    return Landmark("2.25.1.1", image, name, column, 2.0, author, AT)


def test_the_image_with_the_most_landmarks_comes_first_with_its_own_spacing():
    landmarks = [placed("a", "2.25.1.1.2"), placed("b"), placed("c")]
    first, second = marked_radiographs(landmarks, spacings_of(STUDY), recognise(STUDY).series)
    assert ([each.name for each in first.landmarks], first.spacing_mm) == (["b", "c"], (0.1, 0.2))
    assert second.spacing_mm == (0.3, 0.3)
    assert (first.projection, first.position) == ("lateral", "standing")


@pytest.mark.parametrize(
    ("views", "known"),
    [
        ((("lateral", "standing"), ("ap", "standing")), (None, "standing")),
        ((("lateral", "flexion"), ("lateral", "standing")), ("lateral", None)),
        ((("lateral", "standing"),), ("lateral", "standing")),
    ],
)
def test_of_a_series_of_several_views_only_what_they_agree_on_is_known_of_an_image(views, known):
    (role,) = recognise(STUDY).series
    (marked,) = marked_radiographs([placed("a")], spacings_of(STUDY), [replace(role, views=views)])
    assert (marked.projection, marked.position) == known


@pytest.mark.parametrize(
    ("text", "view", "shows"),
    [
        ("Lumbar spine lateral standing", "LL", True),
        ("Full spine lateral standing", "LL", True),
        ("Lumbar spine lateral flexion", "LL", False),
        ("Lumbar spine lateral", "LL", False),
        ("Lumbar spine standing", "AP", False),
        ("Cervical spine lateral standing", "LL", False),
    ],
)
def test_alignment_is_seen_on_a_standing_lateral_radiograph_of_the_lumbar_spine(text, view, shows):
    exam = replace(STUDY, description=text, series=(replace(SERIES, description=text, view_position=view),))
    assert shows_alignment(recognise(exam)) == shows


def test_landmarks_on_an_image_that_is_not_held_are_left_out():
    assert marked_radiographs([placed("a", "2.25.9")], spacings_of(STUDY), recognise(STUDY).series) == ()


def test_the_fingerprint_tells_of_every_change_and_of_nothing_else():
    before = [placed("a"), placed("b")]
    assert fingerprint(before) == fingerprint(before[::-1])
    changed = [placed("a", column=1.5), placed("a", author="Bob")]
    assert len({fingerprint(before), *(fingerprint([each, before[1]]) for each in changed), fingerprint([])}) == 4


def test_landmarks_outlive_the_step_with_their_author():
    finding = Finding(CheckName.SPINOPELVIC_ALIGNMENT, None, Status.NEGATIVE, ("It fits.",), landmarks=(placed("a"),))
    stored = json.loads(json.dumps(comparison_document(Comparison((finding,)))))
    assert comparison_from_document(stored).findings[0].landmarks == (placed("a"),)
    assert finding.as_json()["landmarks"][0]["author"] == "Ada"
