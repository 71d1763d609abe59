"""What other systems were told is taken back: who is told of it, once, in the words of each protocol."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import dcmread

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.results import DatabaseResults
from plumbline.adapters.dimse.workitem_out import WorkitemForwarder
from plumbline.adapters.fhir.results_out import diagnostic_report
from plumbline.adapters.hl7.results_out import result_message
from plumbline.adapters.modality_worklist.files import WorklistFiles
from plumbline.errors import Conflict, InvalidInput
from plumbline.pipeline.outbox import DeliveryKind, DeliveryState, Dispatcher, NewDelivery
from plumbline.pipeline.outgoing import Finished, Routing, deliveries
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import ReportObject, Step, StepName
from plumbline.pipeline.rejection import rejection_notes
from plumbline.pipeline.taking_back import still_told, superseded_selections, take_back_elsewhere
from plumbline.pipeline.withdrawal import KEY_OBJECTS
from plumbline.reports.published import as_file, build_report_objects
from plumbline.testing import ManualClock
from plumbline.triage.rule_file import default_rules
from plumbline.worklist.refusals import Refusal, WorkitemConflict
from tests.conformance.report_cases import all_reports
from tests.unit.pipeline.outbox_cases import RecordingDestination, SilentDeliveryObserver, finished

UID = finished().study.study_instance_uid
ROUTING = Routing({"ris": DeliveryKind.RESULT, "pacs": DeliveryKind.OBJECTS}, "http://127.0.0.1:8080")
POLICY = SitePolicy(default_rules(), "2.25.9", routing=ROUTING)
WHY = ("The order was cancelled.",)
REPORT: Any = build_report_objects(all_reports()["full"])


def objects_of(revision: int) -> list[ReportObject]:
    """SR and key object selection of a revision."""
    built = []
    for number, (dataset, kind) in enumerate([(REPORT.key_objects, KEY_OBJECTS), (REPORT.structured_report, "sr")]):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{revision}{number}"
        names = (dataset.SOPInstanceUID, str(dataset.SeriesInstanceUID), str(dataset.SOPClassUID))
        built.append(ReportObject(*names, kind, as_file(dataset)))
    return built


class World:
    """A store with an outbox, and two destinations that keep what they are sent."""

    def __init__(self, url: str) -> None:
        self.clock, self.store = ManualClock(), open_store(url)
        self.outbox = DatabaseOutbox(self.store, self.clock)
        self.results = DatabaseResults(self.store, self.clock)
        self.destinations = {name: RecordingDestination() for name in ROUTING.kinds}

    def finished(self, revision: int, **changes: Any) -> Finished:
        objects = objects_of(revision)
        self.results.save_objects(UID, revision, objects)
        return replace(finished(1, revision, objects=objects), **changes)

    def report(self, revision: int, to: tuple[str, ...] = ("ris", "pacs")) -> None:
        """Commit a result as publishing does."""
        told = still_told(self.outbox.of_exam(UID, list(ROUTING.kinds)))
        done = self.finished(revision)
        rejects = superseded_selections(done, told, self, POLICY)  # type: ignore[arg-type]
        self.outbox.commit(UID, revision, {}, deliveries(done, to, ROUTING, rejects=rejects))

    def take_back(self, revision: int) -> None:
        take_back_elsewhere(Step(1, UID, revision, StepName.RECOGNISE, 1), WHY, self, POLICY)  # type: ignore[arg-type]

    def deliver(self) -> None:
        for name, destination in self.destinations.items():
            dispatcher = Dispatcher(
                name,
                destination,
                self.outbox,
                self.results.objects,
                self.clock,
                "one",
                SilentDeliveryObserver(),
            )
            while dispatcher.deliver_next():
                pass

    def statuses(self, name: str = "ris") -> list[str]:
        """Statuses that a destination was sent, in order."""
        return [each.notice["status"] for each in self.destinations[name].effects.values()]

    def letters(self) -> list[tuple[str, str]]:
        return [(each.destination, each.state.value) for each in reversed(self.outbox.letters())]


@pytest.fixture
def world(tmp_path):
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


def test_all_that_was_told_is_withdrawn_once(world):
    world.report(1)
    world.deliver()
    for _ in range(2):  # a step that is repeated
        world.take_back(2)
        world.deliver()
    world.take_back(3)
    world.deliver()
    assert world.statuses("ris") == world.statuses("pacs") == ["final", "withdrawn"]
    withdrawn = list(world.destinations["ris"].effects.values())[-1].notice
    assert withdrawn["reasons"][-1] == WHY[0]
    assert (withdrawn["priority"], withdrawn["patient"]) == ("ROUTINE", world.outbox.letters()[-1].notice["patient"])


def test_what_was_never_sent_is_not_sent_and_needs_no_withdrawal(world):
    world.report(1)
    world.take_back(2)
    world.deliver()
    assert world.letters() == [("ris", "superseded"), ("pacs", "superseded")]
    assert world.statuses() == []


def test_what_may_have_arrived_although_its_answer_was_lost_is_withdrawn(world):
    world.report(1, to=("ris",))
    world.destinations["ris"].loses_answers = True
    world.deliver()
    world.take_back(2)
    world.destinations["ris"].loses_answers = False
    world.deliver()
    assert world.statuses() == ["final", "withdrawn"]


def test_a_delivery_under_way_is_withdrawn_after_it(world):
    world.report(1, to=("ris",))
    claimed = world.outbox.claim("ris", "other", timedelta(minutes=1))
    world.take_back(2)
    world.outbox.sent(claimed)
    world.deliver()
    assert world.statuses() == ["withdrawn"]


def test_a_preliminary_priority_of_which_nothing_came_is_cancelled(world):
    early = world.finished(1, is_provisional=True)
    world.outbox.owe(deliveries(early, ["ris"], ROUTING))
    world.deliver()
    world.take_back(2)
    world.deliver()
    assert world.statuses() == ["preliminary", "cancelled"]


def test_a_first_revision_takes_nothing_back(world):
    world.take_back(1)
    assert world.letters() == []


def test_a_withdrawal_that_was_refused_is_tried_by_the_next_revision(world):
    world.report(1, to=("ris",))
    world.deliver()
    world.destinations["ris"].raises = InvalidInput("it refuses this")
    world.take_back(2)
    world.deliver()
    assert world.letters()[-1] == ("ris", "dead")
    world.destinations["ris"].raises = None
    world.take_back(3)
    world.deliver()
    assert world.statuses() == ["final", "withdrawn"]


def test_an_exam_that_is_one_after_all_is_reported_anew(world):
    world.report(1, to=("ris",))
    world.deliver()
    world.take_back(2)
    world.deliver()
    world.report(3, to=("ris",))
    world.deliver()
    assert world.statuses() == ["final", "withdrawn", "corrected"]


def test_what_was_taken_back_is_not_sent_again(world):
    world.report(1, to=("ris",))
    world.deliver()
    first = world.outbox.letters()[-1]
    world.take_back(2)
    with pytest.raises(Conflict, match="taken back"):
        world.outbox.resend(first.delivery_id)


def test_an_archive_is_told_to_hide_the_earlier_selection_and_keeps_the_report(world):
    for revision in (1, 2, 3):
        world.report(revision, to=("pacs",))
        world.deliver()
    notes = [notes_of(each) for each in letters_to(world, "pacs")]
    assert [[each.kind for each in of_one] for of_one in notes] == [[], ["rejection-note"], ["rejection-note"]]
    assert [rejected(of_one[0]) for of_one in notes[1:]] == [("113001", {"2.25.10"}), ("113001", {"2.25.20"})]
    world.report(3, to=("pacs",))
    assert len(letters_to(world, "pacs")) == 3, "a repeat owes nothing"


def test_an_archive_that_was_not_sent_the_earlier_selection_is_told_nothing_of_it(world):
    world.report(1, to=("ris",))
    world.report(2, to=("pacs",))
    assert notes_of(letters_to(world, "pacs")[-1]) == []


def test_an_archive_is_told_to_hide_all_that_it_has_and_was_not_told_to_hide_before(world):
    for revision in (1, 2):
        world.report(revision, to=("pacs",))
        world.deliver()
    world.take_back(3)
    (note,) = notes_of(letters_to(world, "pacs")[-1])
    assert rejected(note) == ("113038", {"2.25.11", "2.25.20", "2.25.21"})
    document = dcmread(BytesIO(note.part10))
    header = REPORT.structured_report
    assert document.StudyInstanceUID == header.StudyInstanceUID
    assert (document.PatientID, document.AccessionNumber) == (header.PatientID, header.AccessionNumber)
    assert document.Manufacturer == header.Manufacturer, "it is known for our own when it is routed back"
    again = notes_of(letters_to(world, "pacs")[-1])[0]
    assert again == note


def letters_to(world: World, name: str):
    return [each for each in reversed(world.outbox.letters()) if each.destination == name]


def notes_of(letter) -> list[ReportObject]:
    return rejection_notes(letter.study_instance_uid, letter.notice, lambda _uid, revision: objects_of(revision))


def rejected(note: ReportObject) -> tuple[str, set[str]]:
    document = dcmread(BytesIO(note.part10))
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    references = [one for series in study.ReferencedSeriesSequence for one in series.ReferencedSOPSequence]
    named = [one for item in document.ContentSequence for one in item.get("ReferencedSOPSequence", ())]
    uids = {str(one.ReferencedSOPInstanceUID) for one in references}
    assert uids == {str(one.ReferencedSOPInstanceUID) for one in named}
    return document.ConceptNameCodeSequence[0].CodeValue, uids


def withdrawal(status: str = "withdrawn"):
    notice = deliveries(finished(1, 1), ["ris"], ROUTING)[0].notice
    return {**notice, "status": status, "priority": "ROUTINE", "reasons": list(WHY)}


@pytest.mark.parametrize(("status", "observation"), [("withdrawn", "W"), ("cancelled", "X")])
def test_hl7_says_that_what_was_posted_is_wrong(status, observation):
    sent = result_message(withdrawal(status), message_id="A1", sent_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert str(sent.segment("OBR")[25]) == "X"
    assert {str(each[11]) for each in sent.segments("OBX")} == {observation}
    observed = {str(each[3]).partition("^")[0]: str(each[5]) for each in sent.segments("OBX")}
    assert (observed["PRIORITY"], observed["TEXT"]) == ('""', WHY[0])


@pytest.mark.parametrize(("status", "said"), [("withdrawn", "entered-in-error"), ("cancelled", "cancelled")])
def test_fhir_says_that_the_report_was_in_error(status, said):
    assert diagnostic_report(withdrawal(status)).status == said


def delivery_of(notice) -> Any:
    return SimpleNamespace(notice=notice, study_instance_uid=UID)


def test_a_worklist_file_is_removed(tmp_path):
    files = WorklistFiles(tmp_path, "READING")
    files.deliver(delivery_of(deliveries(finished(1, 1), ["ris"], ROUTING)[0].notice), ())
    assert len(list(tmp_path.iterdir())) == 1
    for _ in range(2):
        files.deliver(delivery_of(withdrawal()), ())
    assert list(tmp_path.iterdir()) == []


LAST: Any = {"2.25.991": SimpleNamespace(workitem_uid="2.25.992")}.__getitem__
"""A reading, and the last of those that followed it at a foreign manager."""


@pytest.mark.parametrize("refusal", [None, Refusal.NO_SUCH_WORKITEM, Refusal.ALREADY_COMPLETED])
def test_a_foreign_manager_is_asked_to_cancel_the_workitem(refusal):
    asked = []

    def request_cancel(uid, *, reason):
        asked.append((uid, reason))
        if refusal:
            raise WorkitemConflict(refusal)

    manager: Any = SimpleNamespace(request_cancel=request_cancel, put=None)
    WorkitemForwarder(manager, LAST).deliver(delivery_of(withdrawal()), ())
    assert asked == [("2.25.992", WHY[0])]


def test_a_manager_that_declines_is_a_failure():
    def request_cancel(*_, **__):
        raise WorkitemConflict(Refusal.PERFORMER_DECLINES)

    manager: Any = SimpleNamespace(request_cancel=request_cancel)
    with pytest.raises(WorkitemConflict):
        WorkitemForwarder(manager, LAST).deliver(delivery_of(withdrawal()), ())


def test_another_exam_is_left_alone(world):
    world.outbox.owe([NewDelivery("ris", DeliveryKind.RESULT, "result:2.25.772:1", "2.25.772", 1, withdrawal("final"))])
    world.report(1, to=("ris",))
    world.take_back(2)
    assert [each.state for each in reversed(world.outbox.letters())] == [
        DeliveryState.WAITING,
        DeliveryState.SUPERSEDED,
    ]
