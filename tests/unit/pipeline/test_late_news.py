"""Orders, merges and references that arrive after an exam was reported: a new revision where they change something.

On a real store, with the path's own steps up to matching; what comes after needs images and is passed over here
(tests/integration/test_late_news.py has the whole path).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.news import DatabaseNews, DatabaseOrders
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.patients import DatabasePatients
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.results import DatabasePublications
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.anatomy.landmarks import Landmark
from plumbline.exams.facts import SourceKind
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.notices import MergeNotice, Notice, OrderNotice, OrderStatus
from plumbline.exams.order import order_from_text
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.pipeline import late_news
from plumbline.pipeline.archive_ports import ArchiveStudy, FetchedInstance
from plumbline.pipeline.complete import complete
from plumbline.pipeline.fetch import Fetcher
from plumbline.pipeline.late_news import open_told_exams
from plumbline.pipeline.match import match_step
from plumbline.pipeline.outbox import DeliveryKind, NewDelivery
from plumbline.pipeline.outgoing import Routing
from plumbline.pipeline.patient_ports import Envelope
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import ExamState, Location, Proceed, QuarantineEntry, ReceivedInstance, StepName
from plumbline.pipeline.recognise import recognise_step
from plumbline.pipeline.runner import Runner
from plumbline.pipeline.sweep import open_quiet_exams
from plumbline.pipeline.triage import provisional_step
from plumbline.pipeline.withdrawal import ARCHIVE, KEY_OBJECTS
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.testing import (
    CT_IMAGE_STORAGE,
    ManualClock,
    MemoryArchive,
    MemorySpool,
    MemoryWorkitems,
    RecordingDoorbell,
    SilentObserver,
)
from plumbline.triage.rule_file import default_rules

IDENTITY = IdentityPolicy("NORTH")
POLICY = SitePolicy(default_rules(), "2.25.9", recount_after_s=1.0)
ADA = PatientIdentity("P1", "NORTH", date(1961, 4, 2), "F")
LATER_STEPS = (StepName.COMPARE, StepName.TRIAGE, StepName.REPORT, StepName.PUBLISH)


def exam(number: int, day: str, text: str = "s/p TLIF L4-L5 2026-01-12", patient: PatientIdentity = ADA) -> Study:
    """A lumbar CT of thirty slices."""
    uid = f"2.25.{number}"
    slices = tuple(
        Instance(
            f"{uid}.{n}",
            CT_IMAGE_STORAGE,
            n,
            ("ORIGINAL", "PRIMARY", "AXIAL"),
            512,
            512,
            image_position_lps_mm=(0.0, 0.0, 2.0 * n),
            image_orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            pixel_spacing_mm=(0.5, 0.5),
        )
        for n in range(1, 31)
    )
    series = Series(f"{uid}.0", "CT", slices, description="LSPINE 2.0", slice_thickness_mm=2.0)
    when = datetime.fromisoformat(day).replace(hour=9, tzinfo=UTC)
    return Study(
        uid, patient, (series,), when, has_time=True, description=f"CT LSPINE {text}", accession_number=f"A{number}"
    )


class NoDeclarations:
    """Nobody has declared a study complete; how it was counted is not looked at here."""

    def declaration(self, _uid: str) -> None:
        return None

    def counted(self, *_: Any) -> None:
        return None


class World:
    """A site whose steps after matching do nothing."""

    def __init__(self, url: str) -> None:
        self.clock, self.store = ManualClock(), open_store(url)
        self.index, self.exams = DatabaseInstanceIndex(self.store), DatabaseExams(self.store)
        self.steps = DatabaseSteps(self.store, self.clock, lease_s=60, maximum_attempts=3)
        self.publications = DatabasePublications(self.store, self.clock)
        self.archive, self.spool = MemoryArchive(), MemorySpool()
        self.fetcher = Fetcher(self.archive, self.spool, self.clock)
        self.patients = DatabasePatients(self.store, IDENTITY)
        self.orders = DatabaseOrders(self.store, IDENTITY)
        self.news = DatabaseNews(self.store, self.clock, IDENTITY)
        self.landmarks = DatabaseReaders(self.store, self.clock)
        self.intake = DatabaseMessageIntake(self.store, self.clock, IDENTITY)
        self.workitems, self.remotes = MemoryWorkitems(self.clock), ()
        self.known: dict[str, Study] = {}
        self.studies = NoDeclarations()
        self.images: Any = self
        self.outbox, self.processing = DatabaseOutbox(self.store, self.clock), None
        self.bell, self.observer = RecordingDoorbell(), SilentObserver()
        routing = Routing({"ris": DeliveryKind.RESULT})
        policy = replace(POLICY, priors=replace(POLICY.priors, identity=IDENTITY), routing=routing)
        real = {
            StepName.COMPLETE: complete,
            StepName.RECOGNISE: recognise_step,
            StepName.PROVISIONAL: provisional_step,
            StepName.MATCH: match_step,
        }
        functions: Any = {name: partial(each, ports=self, policy=policy) for name, each in real.items()}
        functions |= {name: lambda _step: Proceed({"hardware_seen": True}) for name in LATER_STEPS}
        self.runner = Runner(self.steps, self.bell, functions, "test", self.observer, 30.0, lambda *_: None)
        self._messages = 0

    # Images
    def study(self, uid: str) -> Study:
        return self.known[uid]

    def headers(self, _uid: str, _series: str | None = None) -> list[Any]:
        return []

    def volume(self, *_: str) -> Any:
        raise AssertionError("no image needs to be opened")

    def receive(self, *studies: Study) -> None:
        """A study arrives in archive and listener."""
        for study in studies:
            uid = study.study_instance_uid
            self.known[uid] = study
            known = [each for each in self.archive.studies if each.study.study_instance_uid != uid]
            count = len(list(study.instances()))
            self.archive.studies = [*known, ArchiveStudy(study, count)]
            uids = [each.sop_instance_uid for each in study.instances()]
            self.archive.instances[uid] = [FetchedInstance(b"x", "1.2", each, "1.2.840.10008.1.2") for each in uids]
            self.index.record([self._received(each, study) for each in uids])

    def _received(self, sop_uid: str, study: Study) -> ReceivedInstance:
        place = Location(study.study_instance_uid, int(sop_uid.rsplit(".", 1)[1]), 1)
        syntax, series = "1.2.840.10008.1.2", study.series[0].series_instance_uid
        uid, digest = study.study_instance_uid, sop_uid.rjust(64, "0")
        return ReceivedInstance(
            sop_uid, CT_IMAGE_STORAGE, syntax, uid, series, study.patient, digest, place, "ORTHANC", self.clock.now()
        )

    def hear(self, *notices: Notice) -> int:
        """A message comes in; return how many exams were told."""
        self._messages += 1
        body = f"message {self._messages}".encode()
        return self.intake.take_in(Envelope("hl7", "OMI^O23", "HIS", str(self._messages), body), notices).exams_told

    def run(self) -> int:
        """Let time pass until nothing is to be done; return how many exams were opened for their news."""
        opened = idle = rounds = 0
        while idle < 3 and rounds < 12:
            self.clock.advance(5)
            ran = open_quiet_exams(self.exams, self.steps, self.clock, quiet_period_s=3)
            told = open_told_exams(self.news, self.exams, self.steps, self.clock, quiet_s=3)
            while owed := self.steps.owed(unheard_for_s=0, limit=100):
                ran += len(owed)
                for step_id, _name in owed:
                    self.runner.run(step_id)
            opened, rounds, idle = opened + told, rounds + 1, 0 if ran + told else idle + 1
        return opened

    def revision(self, study: Study) -> int:
        found = self.exams.exam(study.study_instance_uid)
        assert found.state is not ExamState.FAILED, found.note
        return found.revision

    def matched(self, study: Study) -> dict[str, Any]:
        return dict(self.steps.latest_result(study.study_instance_uid, StepName.MATCH))

    def roles(self, study: Study) -> dict[str, str]:
        considered = self.matched(study)["choice"]["considered"]
        return {each["role"]: each["study_instance_uid"] for each in considered if each["role"]}

    def shown(self, study: Study) -> str:
        """Priority on the worklist, (0074,1200)."""
        return self.workitems.store.get(workitem_of(study.study_instance_uid)).dataset["00741200"]["Value"][0]


def order(text: str, study: Study, key: str = "1", **changes: Any) -> OrderNotice:
    told = order_from_text(text, source=SourceKind.ORDER, reference_date=date(2026, 3, 1))
    told = replace(told, accession_number=study.accession_number)
    return replace(OrderNotice(key, OrderStatus.ACTIVE, study.patient, told), **changes)


@pytest.fixture
def world(tmp_path) -> World:
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


BASELINE = exam(1, "2026-01-14")
CURRENT = exam(2, "2026-03-01")


def test_an_order_that_comes_first_is_used_at_once(world):
    world.hear(order("CT lumbar spine, follow-up. Saddle anaesthesia since yesterday.", CURRENT))
    world.receive(CURRENT)
    world.run()
    assert world.revision(CURRENT) == 1
    assert world.shown(CURRENT) == "HIGH"


def test_an_order_that_comes_late_makes_a_new_revision_with_its_red_flag(world):
    world.receive(CURRENT)
    world.run()
    assert world.shown(CURRENT) == "LOW"
    assert world.hear(order("Saddle anaesthesia since yesterday.", CURRENT)) == 1
    world.run()
    assert world.revision(CURRENT) == 2
    assert world.shown(CURRENT) == "HIGH"


def test_an_order_that_says_nothing_new_runs_nothing_again(world):
    world.receive(CURRENT)
    world.hear(order("Fever.", CURRENT))
    world.run()
    outcomes = len(world.observer.outcomes)
    assert world.hear(order("Fever.", CURRENT)) == 0, "the same order in another message"
    assert world.hear(order("CT of the chest.", replace(CURRENT, accession_number="B9"), key="2")) == 1
    world.run()
    assert world.revision(CURRENT) == 1
    again = [name for name, _, _ in world.observer.outcomes[outcomes:]]
    assert again == [StepName.COMPLETE], "it was judged once, and nothing else ran"


def test_a_burst_of_orders_makes_one_revision(world):
    world.receive(CURRENT)
    world.run()
    for number, text in enumerate(("Fever.", "Wound discharge.", "New foot drop.")):
        world.hear(order(text, CURRENT, key=str(number)))
    world.run()
    assert world.revision(CURRENT) == 2


def test_a_cancelled_order_no_longer_counts(world):
    world.receive(CURRENT)
    world.hear(order("Saddle anaesthesia.", CURRENT))
    world.run()
    world.hear(order("Saddle anaesthesia.", CURRENT, status=OrderStatus.CANCELLED))
    world.run()
    assert world.revision(CURRENT) == 2
    assert world.shown(CURRENT) == "LOW"


def test_a_planned_level_comes_from_the_order_and_wins_visibly_over_the_header(world):
    world.receive(CURRENT)
    world.run()
    assert world.matched(CURRENT)["plan"]["levels"] == ["L4-L5"]
    world.hear(order("s/p TLIF L5/S1 on 2026-01-12", CURRENT))
    world.run()
    matched = world.matched(CURRENT)
    assert matched["plan"]["levels"] == ["L5-S1"]
    assert matched["plan"]["source"] == "ORDER"
    assert any("L4-L5" in each["fact"] for each in matched["history"]["overruled"])


def test_an_operation_told_by_another_system_belongs_to_every_later_exam(world):
    plain = exam(3, "2026-03-01", text="")
    world.receive(replace(plain, description="CT LSPINE follow-up after surgery"))
    world.run()
    operation = order("TLIF L4-L5", plain, key="op", is_operation=True, planned_on=date(2026, 1, 12))
    told = replace(operation.order, source=SourceKind.OPERATIVE_RECORD, accession_number=None)
    told = replace(told, plan=replace(told.plan, surgery_date=date(2026, 1, 12), source=SourceKind.OPERATIVE_RECORD))
    world.hear(replace(operation, order=told))
    world.run()
    assert world.revision(plain) == 2
    assert world.matched(plain)["days_since_surgery"][plain.study_instance_uid] == 48


def test_a_baseline_that_is_completed_later_makes_a_new_revision(world):
    world.receive(CURRENT)
    world.run()
    assert world.roles(CURRENT) == {}
    world.receive(BASELINE)
    world.run()
    assert world.revision(CURRENT) == 2
    assert world.roles(CURRENT) == {"baseline": BASELINE.study_instance_uid}
    assert world.revision(BASELINE) == 1, "the later exam is no news for the earlier one"


def test_exams_that_are_no_reference_change_nothing(world):
    world.receive(BASELINE, CURRENT)
    world.run()
    chest = replace(exam(4, "2026-02-01"), description="CT CHEST")
    later = exam(5, "2026-04-01")
    world.receive(replace(chest, series=(replace(chest.series[0], description="CHEST 2.0"),)), later)
    world.run()
    assert (world.revision(BASELINE), world.revision(CURRENT), world.revision(later)) == (1, 1, 1)


def test_a_baseline_that_takes_the_place_of_one_unfit_by_its_images_makes_a_new_revision(world):
    first, second, between = exam(11, "2026-01-14"), exam(12, "2026-02-10"), exam(13, "2026-01-20")
    world.receive(first, second, CURRENT)
    (series,) = first.series
    bent = replace(series.instances[0], image_orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    world.known[first.study_instance_uid] = replace(
        first, series=(replace(series, instances=(bent, *series.instances[1:])),)
    )
    world.run()
    assert world.roles(CURRENT)["baseline"] == second.study_instance_uid
    world.receive(between)
    world.run()
    assert world.roles(CURRENT)["baseline"] == between.study_instance_uid


def test_a_reference_that_grows_makes_a_new_revision(world):
    world.receive(BASELINE, CURRENT)
    world.run()
    series = BASELINE.series[0]
    more = replace(series.instances[-1], sop_instance_uid=f"{BASELINE.study_instance_uid}.31", instance_number=31)
    grown = replace(BASELINE, series=(replace(series, instances=(*series.instances, more)),))
    world.receive(grown)
    world.run()
    assert world.revision(BASELINE) == 2
    assert world.revision(CURRENT) == 2


def test_a_reference_with_an_instance_in_quarantine_has_not_grown(world):
    world.receive(BASELINE, CURRENT)
    damaged = FetchedInstance(b"x", "1.2", f"{BASELINE.study_instance_uid}.99", "1.2.840.10008.1.2")
    world.archive.instances[BASELINE.study_instance_uid].append(damaged)
    place, uid = Location("q", 1, 1), BASELINE.study_instance_uid
    world.index.quarantine(
        QuarantineEntry("truncated", "Cut.", "ORTHANC", world.clock.now(), place, uid, damaged.sop_instance_uid)
    )
    world.run()
    assert world.roles(CURRENT) == {"baseline": uid}
    world.hear(order("CT of the chest.", replace(CURRENT, accession_number="B9"), key="2"))
    world.run()
    assert world.revision(CURRENT) == 1


def test_a_merge_brings_the_other_record_s_exams(world):
    old = replace(BASELINE, patient=replace(ADA, patient_id="P2"))
    world.receive(old, CURRENT)
    world.run()
    assert world.roles(CURRENT) == {}
    assert world.hear(MergeNotice(ADA, (("P2", "NORTH"),))) == 2
    world.run()
    assert world.revision(CURRENT) == 2
    assert world.roles(CURRENT) == {"baseline": old.study_instance_uid}
    assert world.known[old.study_instance_uid].patient.patient_id == "P2", "nothing received is rewritten"
    assert world.hear(MergeNotice(ADA, (("P2", "NORTH"),))) >= 0
    world.run()
    assert world.revision(CURRENT) == 2


def test_merges_are_followed_over_several_steps_and_only_with_their_issuer(world):
    far = replace(BASELINE, patient=replace(ADA, patient_id="P3"))
    world.receive(far, CURRENT)
    world.run()
    world.hear(MergeNotice(replace(ADA, patient_id="P2"), (("P3", "SOUTH"),)))
    world.hear(MergeNotice(ADA, (("P2", "NORTH"),)))
    world.run()
    assert world.roles(CURRENT) == {}
    world.hear(MergeNotice(replace(ADA, patient_id="P2"), (("P3", "NORTH"),)))
    world.run()
    assert world.roles(CURRENT) == {"baseline": far.study_instance_uid}


def test_a_merge_of_people_of_other_birth_dates_compares_nothing_and_says_so(world):
    other = replace(BASELINE, patient=replace(ADA, patient_id="P2", birth_date=date(1970, 1, 1)))
    world.receive(other, CURRENT)
    world.run()
    world.hear(MergeNotice(ADA, (("P2", "NORTH"),)))
    world.run()
    assert world.revision(CURRENT) == 2
    assert world.roles(CURRENT) == {}
    (conflict,) = world.matched(CURRENT)["choice"]["conflicts"]
    assert "not compared" in conflict


def test_an_order_with_the_exam_s_number_but_of_another_patient_is_refused_and_said(world):
    stranger = replace(ADA, patient_id="P9")
    world.receive(CURRENT)
    world.hear(order("Saddle anaesthesia.", CURRENT, patient=stranger))
    world.run()
    assert world.shown(CURRENT) == "LOW"
    provisional = world.steps.latest_result(CURRENT.study_instance_uid, StepName.PROVISIONAL)
    assert (
        "An order with this exam's number is of another patient; it was not used." in provisional["decision"]["reasons"]
    )


def test_an_exam_that_turns_out_never_operated_is_taken_from_the_worklist(world):
    plain = replace(
        exam(6, "2026-03-01"),
        description="MR LSPINE",
        series=(replace(exam(6, "2026-03-01").series[0], modality="MR"),),
    )
    world.hear(order("s/p TLIF L4-L5 2026-01-12", plain))
    world.receive(plain)
    world.run()
    assert world.shown(plain) == "LOW"
    world.publications.owe(plain.study_instance_uid, 1, ARCHIVE, "2.25.66", KEY_OBJECTS)
    world.publications.sent(plain.study_instance_uid, 1, ARCHIVE, "2.25.66")
    told = {"status": "final", "objects": [], "patient": {"id": "P1"}}
    world.outbox.owe([NewDelivery("ris", DeliveryKind.RESULT, "result:1", plain.study_instance_uid, 1, told)])
    world.outbox.sent(world.outbox.claim("ris", "one", timedelta(minutes=1)))
    world.hear(order("s/p TLIF L4-L5 2026-01-12", plain, status=OrderStatus.CANCELLED))
    world.run()
    assert world.exams.exam(plain.study_instance_uid).state is ExamState.NOT_APPLICABLE
    state = world.workitems.store.get(workitem_of(plain.study_instance_uid)).state
    assert state.value == "CANCELED"
    assert world.archive.withdrawn == ["2.25.66"], "its selection of earlier exams is taken back"
    owed = world.outbox.claim("ris", "one", timedelta(minutes=1))
    assert (owed.revision, owed.notice["status"], owed.notice["patient"]) == (2, "withdrawn", {"id": "P1"})


def test_an_exam_told_too_little_to_be_recognised_is_recognised_by_its_late_order(world):
    plain = replace(
        exam(7, "2026-03-01"),
        description="MR LSPINE",
        series=(replace(exam(7, "2026-03-01").series[0], modality="MR"),),
    )
    world.receive(plain)
    world.run()
    assert world.exams.exam(plain.study_instance_uid).state is ExamState.NOT_APPLICABLE
    world.hear(order("s/p TLIF L4-L5 2026-01-12, fever", plain))
    world.run()
    assert world.exams.exam(plain.study_instance_uid).state is ExamState.DONE
    assert world.revision(plain) == 2


def test_news_is_kept_when_the_archive_is_away(world):
    world.receive(CURRENT)
    world.run()
    world.hear(order("Fever.", CURRENT))
    world.archive.is_away = True
    world.run()
    assert world.revision(CURRENT) == 1
    world.archive.is_away = False
    world.run()
    assert world.revision(CURRENT) == 2


def test_a_crash_between_new_revision_and_settled_news_makes_no_further_revision(world, monkeypatch):
    world.receive(CURRENT)
    world.run()
    world.hear(order("Fever.", CURRENT))
    original = world.news.settle

    def crash(*_: Any) -> None:
        monkeypatch.setattr(world.news, "settle", original)
        raise RuntimeError("killed here")

    monkeypatch.setattr(world.news, "settle", crash)
    world.run()
    assert world.revision(CURRENT) == 2


def test_many_told_exams_are_judged_a_few_at_a_time(world, monkeypatch):
    monkeypatch.setattr(late_news, "OPENED_AT_ONCE", 2)
    world.receive(*(exam(100 + n, f"2026-02-{1 + n:02d}") for n in range(5)))
    world.run()
    world.clock.advance(60)
    assert world.hear(order("CT of the chest.", replace(CURRENT, accession_number="B9"), key="2")) == 5
    world.clock.advance(60)
    assert open_told_exams(world.news, world.exams, world.steps, world.clock, quiet_s=3) == 2


def test_landmarks_that_a_reader_sets_make_a_new_revision_once_they_are_told(world):
    world.receive(CURRENT)
    world.run()
    uid = CURRENT.study_instance_uid
    placed = Landmark(f"{uid}.0", f"{uid}.1", "left femoral head centre", 10.0, 20.0, "Ada", world.clock.now())
    world.landmarks.set_landmark(uid, placed)
    world.run()
    assert world.revision(CURRENT) == 1, "setting one is not yet asking for a report"
    world.news.tell_exam(uid, "A reader set landmarks.")
    world.run()
    assert world.revision(CURRENT) == 2
    world.news.tell_exam(uid, "A reader set landmarks.")
    world.run()
    assert world.revision(CURRENT) == 2, "nothing was moved since"
    world.landmarks.remove_landmark(uid, placed)
    world.news.tell_exam(uid, "A reader set landmarks.")
    world.run()
    assert world.revision(CURRENT) == 3
