"""What happens to a reading at a foreign manager, taken over here."""

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.dataset import coded, element, items, sequence, text
from plumbline.worklist.following import Follower
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from plumbline.worklist.refusals import WorkitemInvalid
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import Subscription

UID, MANAGER = "2.25.991", "RIS"


@dataclass
class Claim:
    reader: str
    transaction_uid: str
    claimed_at: datetime


@dataclass
class Claims:
    """``ClaimBook`` in a dictionary."""

    clock: ManualClock
    noted: dict[str, Claim] = field(default_factory=dict)

    def note_claim(self, workitem_uid, reader, transaction_uid):
        self.noted[workitem_uid] = Claim(reader, transaction_uid, self.clock.now())

    def claim_of(self, workitem_uid):
        return self.noted.get(workitem_uid)


class Site:
    def __init__(self):
        self.clock = ManualClock()
        self.worklist, self.claims = MemoryWorkitems(self.clock), Claims(self.clock)
        self.follower = Follower(self.worklist, self.claims, self.clock.now)

    def read(self, *, has_report: bool):
        report = StoredObject("2.25.771", "2.25.771.9", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.8")
        dataset = reading_workitem(
            invented_ct_study(1),
            TriageDecision(Priority.URGENT, ("x",)),
            workitem_uid=UID,
            scheduled_at=self.clock.now(),
            source=RetrievalSource("ORTHANC"),
            report=report if has_report else None,
        )
        self.worklist.upsert_reading(UID, "2.25.771", dataset)

    def hears(self, state: str, **more):
        self.follower.follow(MANAGER, UID, {tags.STATE: element("CS", state), **more})

    @property
    def dataset(self):
        return self.worklist.retrieve(UID).dataset

    @property
    def state(self):
        return self.worklist.retrieve(UID).state


@pytest.fixture
def site():
    site = Site()
    site.read(has_report=True)
    return site


def test_a_claim_there_is_a_claim_here(site):
    for _ in range(2):
        site.hears("IN PROGRESS")
        assert site.state is State.IN_PROGRESS
        assert site.claims.noted[UID].reader == MANAGER


@pytest.mark.parametrize("before", [(), ("SCHEDULED",), ("IN PROGRESS",)])
def test_completed_there_is_completed_here_with_what_is_known(site, before):
    for state in before:
        site.hears(state)
    site.hears("COMPLETED")
    assert site.state is State.COMPLETED
    performed = items(site.dataset, tags.PERFORMED)[0]
    assert text(items(performed, "00404028")[0], tags.CODE_VALUE) == MANAGER
    assert len(items(performed, tags.OUTPUTS)) == 1
    for state in ("COMPLETED", "IN PROGRESS", "CANCELED"):
        site.hears(state)
    assert site.state is State.COMPLETED


def test_what_the_manager_tells_of_the_work_is_taken_over(site):
    station = sequence(coded("ROOM7", "99RIS", "Room 7"))
    output = {"0020000D": element("UI", "2.25.771"), "0020000E": element("UI", "2.25.5")}
    output |= {"0040E020": element("CS", "DICOM")}
    output["00081199"] = sequence({"00081150": element("UI", "1.2"), "00081155": element("UI", "2.25.6")})
    performed = sequence({"00404028": station, "00404051": element("DT", "20260302"), tags.OUTPUTS: sequence(output)})
    site.hears("COMPLETED", **{tags.PERFORMED: performed})
    taken = items(site.dataset, tags.PERFORMED)[0]
    assert text(items(taken, "00404028")[0], tags.CODE_VALUE) == "ROOM7"
    assert text(taken, "00404051") == "20260302"
    series = [text(each, tags.SERIES_INSTANCE_UID) for each in items(taken, tags.OUTPUTS)]
    assert series == ["2.25.771.9", "2.25.5"]


def test_completed_there_before_our_report_is_written_stays_claimed_until_it_is():
    site = Site()
    site.read(has_report=False)
    site.hears("COMPLETED")
    assert site.state is State.IN_PROGRESS
    site.read(has_report=True)
    site.hears("COMPLETED")
    assert site.state is State.COMPLETED


@pytest.mark.parametrize("claimed_first", [False, True])
def test_cancelled_there_is_cancelled_here_with_the_reason(site, claimed_first):
    if claimed_first:
        site.hears("IN PROGRESS")
    reason = {tags.DISCONTINUATION_REASON: sequence(coded("110514", "DCM", "Incorrect worklist entry selected"))}
    site.hears("CANCELED", **reason, **{tags.REASON_FOR_CANCELLATION: element("LT", "Ordered twice")})
    assert site.state is State.CANCELED
    progress = items(site.dataset, tags.PROGRESS_INFORMATION)[0]
    assert text(progress, tags.REASON_FOR_CANCELLATION) == "Ordered twice"
    assert text(items(progress, tags.DISCONTINUATION_REASON)[0], tags.CODE_VALUE) == "110514"


@pytest.mark.parametrize("state", ["IN PROGRESS", "COMPLETED", "CANCELED"])
def test_who_claimed_it_here_keeps_it_and_hears_of_a_cancellation(site, state):
    site.worklist.change_state(UID, State.IN_PROGRESS, transaction_uid="2.25.7")
    site.claims.note_claim(UID, "Dr. Ada", "2.25.7")
    site.worklist.store.subscribe(Subscription("READER", UID))
    site.hears(state)
    assert site.state is State.IN_PROGRESS
    told = [int(each.report.event_type) for each in site.worklist.store.pending("READER", limit=9)]
    assert told == ([1, 2] if state == "CANCELED" else [1])


def test_a_state_that_is_none_is_refused(site):
    with pytest.raises(WorkitemInvalid):
        site.hears("DONE")
    with pytest.raises(WorkitemInvalid):
        site.follower.follow(MANAGER, "2.25.1", {tags.STATE: element("CS", "COMPLETED")})
    assert site.state is State.SCHEDULED
