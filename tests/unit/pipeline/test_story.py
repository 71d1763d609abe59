"""The patient's story: what text tells, and when images are opened to find out the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from plumbline.errors import InvalidInput
from plumbline.exams.facts import SourceKind
from plumbline.exams.order import order_from_text, plan_from_text
from plumbline.exams.recognition import ExamKind
from plumbline.imaging.volume import Volume
from plumbline.pipeline.story import tell_story
from tests.unit.pipeline.test_given import study

EMPTY = Volume(np.full((4, 4, 4), 40, np.int16), np.eye(4))
EXAM = study("2.25.1", "2026-06-01")


class Images:
    """Counts how often an image is opened."""

    def __init__(self, volume: Volume | Exception = EMPTY) -> None:
        self.opened = 0
        self.answer = volume

    def volume(self, _study, _series):
        self.opened += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def images() -> Images:
    return Images()


def order(text: str):
    return order_from_text(text, source=SourceKind.ORDER, reference_date=date(2026, 6, 1))


def test_an_order_that_tells_of_the_operation_needs_no_image(images):
    story = tell_story(EXAM, images, orders=[order("status post L4-L5 TLIF on 2026-03-02")])
    assert story.recognition.kind is ExamKind.POSTOPERATIVE_SPINE
    assert images.opened == 0
    assert story.plan is not None
    assert [level.name for level in story.plan.levels] == ["L4-L5"]
    assert story.days_since_surgery == 91


def test_where_text_leaves_it_open_the_images_are_asked(images):
    story = tell_story(EXAM, images)
    assert images.opened == 1
    assert story.hardware_seen is False
    assert story.recognition.kind is ExamKind.SPINE
    assert story.plan is None
    assert story.days_since_surgery is None


def test_images_stay_closed_where_they_may_not_be_opened(images):
    story = tell_story(EXAM, images, may_open_images=False)
    assert images.opened == 0
    assert story.hardware_seen is None


@pytest.mark.parametrize("seen", [True, False])
def test_what_was_seen_before_is_not_looked_for_again(images, seen):
    story = tell_story(EXAM, images, hardware_seen=seen)
    assert images.opened == 0
    assert story.hardware_seen is seen
    assert (story.recognition.kind is ExamKind.POSTOPERATIVE_SPINE) is seen


def test_images_of_another_modality_are_not_searched_for_metal(images):
    tell_story(study("2.25.1", "2026-06-01", modality="MR"), images)
    assert images.opened == 0


def test_an_exam_that_is_no_spine_is_not_opened(images):
    tell_story(replace(EXAM, description="CT ABDOMEN"), images)
    assert images.opened == 0


def test_images_that_make_no_volume_leave_it_open():
    story = tell_story(EXAM, Images(InvalidInput("the slices are unevenly spaced")))
    assert story.hardware_seen is None
    assert story.recognition.kind is ExamKind.SPINE


def test_a_plan_that_was_given_comes_before_what_text_tells(images):
    plan = plan_from_text("L3-L4 PLIF")
    story = tell_story(EXAM, images, orders=[order("status post L4-L5 TLIF on 2026-03-02")], plan=plan)
    assert story.plan == plan
