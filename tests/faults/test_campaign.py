"""The campaign itself: its timetable follows from the seed, its messages are doubled, and its judgements can fail."""

from __future__ import annotations

import io

import pytest

from tests.faults.campaign.accounting import ATTEMPTS, Found, Wrong, is_poison_visible, judge
from tests.faults.campaign.doubling import read_command, twice, written
from tests.faults.campaign.patients import Kind, planned_patients
from tests.faults.campaign.plan import STRAINS, Blow, timetable


def test_a_timetable_follows_from_its_seed():
    assert timetable(7, exams=100, lasts_s=360) == timetable(7, exams=100, lasts_s=360)
    assert timetable(7, exams=100, lasts_s=360) != timetable(8, exams=100, lasts_s=360)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("exams", [10, 100])
def test_every_target_is_struck_and_every_server_comes_back(seed, exams):
    faults = timetable(seed, exams=exams, lasts_s=360)
    assert {each.target for each in faults} == {strain.target for strain in STRAINS}
    assert max(each.at_s for each in faults) <= 361
    for server in ("redis", "postgresql", "orthanc"):
        moments = [each for each in faults if each.target == server and each.blow is not Blow.EMPTY]
        assert [each.blow is Blow.START for each in moments] == [False, True] * (len(moments) // 2)
    away = [each.at_s for each in faults if each.target == "orthanc"]
    assert any(back - gone == pytest.approx(60) for gone, back in zip(away[::2], away[1::2], strict=True))


@pytest.mark.parametrize("count", [10, 20, 100])
def test_the_exams_are_as_many_as_asked_for_and_all_different(count):
    exams = [exam for patient in planned_patients(1, count) for exam in patient]
    assert len({exam.study_instance_uid for exam in exams}) == len(exams) == count
    assert [exam.kind for exam in exams].count(Kind.POISON) == 1
    assert {exam.kind for exam in exams} == set(Kind)


def test_a_message_is_pushed_twice_and_nothing_else_is_changed():
    message = [b"LPUSH", b"path\x06\x169", b'{"body": "\r\n"}']
    assert twice(message, (b"path",)) == [*message, message[2]]
    for other in ([b"LPUSH", b"reply.celery.pidbox", b"x"], [b"SADD", b"path", b"x"], [b"LPUSH", b"path", b"a", b"b"]):
        assert twice(other, (b"path",)) == other


def test_commands_are_read_as_they_were_written():
    commands = [[b"LPUSH", b"path", b"\r\n*1\r\n"], [b"PING"], [b"SET", b"", b"\0"]]
    stream = io.BytesIO(b"".join(map(written, commands)))
    assert [read_command(stream) for _ in commands] == commands
    assert read_command(stream) == []


GOOD = {
    Kind.FOLLOW_UP: Found(
        "done", revision=1, attempts=1, reports=1, current_reports=1, readings=("STAT",), result_priority="STAT"
    ),
    Kind.ENDS_EARLY: Found("not-applicable", revision=1),
    Kind.POISON: Found("failed", revision=1, attempts=3, readings=("ROUTINE",)),
}


def verdict(kind: Kind, **changes):
    exam = next(exam for patient in planned_patients(1, 10) for exam in patient if exam.kind is kind)
    found = GOOD[kind]
    return judge(exam, Found(**{name: changes.get(name, getattr(found, name)) for name in Found.__slots__}))


@pytest.mark.parametrize("kind", GOOD)
def test_an_exam_that_became_what_it_should_is_not_wrong(kind):
    assert verdict(kind).wrong is None


def test_a_report_that_another_one_supersedes_is_not_doubled():
    assert verdict(Kind.FOLLOW_UP, revision=2, reports=2).wrong is None


@pytest.mark.parametrize(
    ("kind", "changes", "wrong"),
    [
        (Kind.FOLLOW_UP, {"state": None}, Wrong.LOST),
        (Kind.FOLLOW_UP, {"state": "failed"}, Wrong.LOST),
        (Kind.FOLLOW_UP, {"reports": 0, "current_reports": 0}, Wrong.LOST),
        (Kind.FOLLOW_UP, {"readings": ()}, Wrong.LOST),
        (Kind.FOLLOW_UP, {"result_priority": "ROUTINE"}, Wrong.LOST),
        (Kind.FOLLOW_UP, {"reports": 2, "current_reports": 2}, Wrong.DOUBLED),
        (Kind.FOLLOW_UP, {"reports": 2}, Wrong.DOUBLED),
        (Kind.FOLLOW_UP, {"readings": ("STAT", "STAT")}, Wrong.DOUBLED),
        (Kind.FOLLOW_UP, {"state": "complete"}, Wrong.STUCK),
        (Kind.FOLLOW_UP, {"open_steps": 1}, Wrong.STUCK),
        (Kind.ENDS_EARLY, {"readings": ("ROUTINE",)}, Wrong.DOUBLED),
        (Kind.ENDS_EARLY, {"state": "receiving"}, Wrong.STUCK),
        (Kind.POISON, {"state": "done"}, Wrong.LOST),
        (Kind.POISON, {"reports": 1, "current_reports": 1}, Wrong.DOUBLED),
        (Kind.POISON, {"readings": ()}, Wrong.LOST),
    ],
)
def test_what_is_wrong_is_told(kind, changes, wrong):
    assert verdict(kind, **changes).wrong is wrong


def test_the_poison_exam_is_visible_to_reader_and_operator_after_all_attempts():
    seen = Found("failed", attempts=ATTEMPTS, reasons="This exam was not compared: ...", is_told_failed=True)
    assert is_poison_visible(seen)
    for part in (
        {"state": "complete"},
        {"attempts": ATTEMPTS - 1},
        {"attempts": ATTEMPTS + 1},
        {"reasons": "Routine."},
        {"is_told_failed": False},
    ):
        values = {name: part.get(name, getattr(seen, name)) for name in Found.__slots__}
        assert not is_poison_visible(Found(**values))
