"""An exam's history: everything that happened, the newest first, and nothing that did not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from plumbline.adapters.database.overview import Delivery, ExamCourse, SetAside, StepEvent, Work
from plumbline.adapters.database.readers import Deed
from services.worklist_api.operator.history import history_of

NOON = datetime(2026, 6, 8, 12, 0, tzinfo=UTC)
COURSE = ExamCourse("complete", None, 1, "ORTHANC", NOON, NOON + timedelta(seconds=20), NOON + timedelta(seconds=30))


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def work(name, state, began, ended=None, holder=None):
    return Work(1, "2.25.1", 1, name, state, 1, None, holder, at(30), at(began), ended and at(ended), None)


def delivery(state, sent_at=None):
    return Delivery(7, "ris", "result", state, 1, None, at(60), sent_at, 1)


def test_everything_is_told_in_the_order_of_time():
    steps = [work("recognise", "done", 31, 33), work("compare", "held", 40, holder="measure@host")]
    events = [StepEvent(1, "compare", 1, "lost", "measure@other", "The worker ended.", at(39))]
    deeds = [Deed("Ora", "had the step compare done again", "2.25.1", at(50))]
    aside = [SetAside(1, "truncated", "It ends early.", "MODALITY", at(10), "2.25.1", None)]
    told = history_of(COURSE, steps, events, [], [delivery("sent", at(70))], aside, deeds)
    assert [each.what for each in told] == [
        "result sent",
        "Had the step compare done again",
        "compare is under way",
        "compare lost its worker, is taken over",
        "recognise done",
        "All images counted",
        "Last image received",
        "Set aside: truncated",
        "First image received",
    ]
    assert [each.by for each in told][:3] == ["ris", "Ora", "measure@host"]
    assert [each.what for each in told if each.is_trouble] == ["compare lost its worker, is taken over"]


def test_what_did_not_come_to_pass_is_not_told():
    steps = [work("compare", "failed", 40, 41), work("match", "ready", 40)]
    assert len(history_of(COURSE, steps, [], [], [delivery("dead"), delivery("waiting")], [], [])) == 3


def test_of_an_exam_that_is_not_held_only_what_was_set_aside_is_told():
    aside = [SetAside(1, "not-dicom", "It is no DICOM.", "MODALITY", at(10), "2.25.1", None)]
    assert [each.what for each in history_of(None, [], [], [], [], aside, [])] == ["Set aside: not-dicom"]
