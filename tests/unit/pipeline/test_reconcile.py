"""What the archive never sent is fetched; what it did send, what is ours and what is history is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.errors import Unavailable
from plumbline.pipeline.archive_ports import ArchiveChange, ArchiveInstance, FetchedInstance
from plumbline.pipeline.fetch import Fetcher
from plumbline.pipeline.ports import QuarantineEntry
from plumbline.pipeline.reconcile import CURSOR, GRACE, OWED_FOR
from plumbline.pipeline.reconcile import reconcile as reconcile_by
from plumbline.testing import ManualClock, MemoryArchive, MemorySpool

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=5)


@dataclass
class KnownInstances:
    """As much of ``InstanceIndex`` as reconciling reads."""

    uids: set[str] = field(default_factory=set)
    entries: list[QuarantineEntry] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)

    def find(self, uids):
        return {uid: uid for uid in uids if uid in self.uids}

    def quarantined(self, study_instance_uid=None):
        return self.entries

    def cursor(self, name):
        return self.cursors.get(name)

    def set_cursor(self, name, value):
        self.cursors[name] = value


def archive_with(*studies, at=EARLIER):
    archive = MemoryArchive()
    for sequence, uid in enumerate(studies, start=1):
        archive.instances[uid] = [FetchedInstance(b"data", "1.2", f"{uid}.{n}", "1.2.840.10008.1.2") for n in (1, 2)]
        archive.changes.append(ArchiveChange(sequence, uid, at))
    return archive


def reconcile(archive, index, spool, **options):
    """One pass, by a worker that has fetched nothing before."""
    return reconcile_by(archive, index, Fetcher(archive, spool, ManualClock(options["now"])), **options)


def broken(archive, monkeypatch, *uids):
    """Make the archive fail on instances, as one does that has lost their files; returns them, to be mended."""
    lost, give = set(uids), archive.fetch

    def fetch(instance):
        if instance.sop_instance_uid in lost:
            raise Unavailable("the archive failed (HTTP 500)")
        return give(instance)

    monkeypatch.setattr(archive, "fetch", fetch)
    return lost


def fetched(spool):
    return [instance.sop_instance_uid for instance in spool.appended]


def test_only_what_is_neither_held_nor_in_quarantine_is_fetched():
    archive, spool = archive_with("2.25.7"), MemorySpool()
    archive.instances["2.25.7"].append(FetchedInstance(b"data", "1.2", "2.25.7.3", "1.2.840.10008.1.2"))
    quarantined = QuarantineEntry("truncated", "It ends early.", "ORTHANC", NOW, sop_instance_uid="2.25.7.2")
    report = reconcile(archive, KnownInstances({"2.25.7.1"}, [quarantined]), spool, now=NOW)
    assert fetched(spool) == ["2.25.7.3"]
    assert (report.studies, report.fetched, report.failed, report.is_done) == (1, 1, (), True)


def test_the_next_pass_begins_behind_the_last():
    archive, spool, index = archive_with("2.25.7"), MemorySpool(), KnownInstances()
    reconcile(archive, index, spool, now=NOW)
    assert index.cursors[CURSOR] == "1"
    reconcile(archive, index, spool, now=NOW)
    assert len(spool.appended) == 2


def test_a_study_that_became_stable_just_now_is_left_to_the_archive_s_own_sending():
    archive, spool, index = archive_with("2.25.7", at=NOW - timedelta(seconds=2)), MemorySpool(), KnownInstances()
    assert reconcile(archive, index, spool, now=NOW).studies == 0
    assert reconcile(archive, index, spool, now=NOW + timedelta(minutes=1)).fetched == 2


def test_the_archive_s_history_before_the_first_pass_is_not_pulled_in():
    archive, spool = archive_with("2.25.7", at=NOW - timedelta(days=30)), MemorySpool()
    assert reconcile(archive, KnownInstances(), spool, now=NOW).fetched == 0


def test_a_long_absence_after_the_first_pass_is_made_up_for():
    archive, spool, index = MemoryArchive(), MemorySpool(), KnownInstances()
    reconcile(archive, index, spool, now=NOW - timedelta(days=30))
    missed = archive_with("2.25.7", at=NOW - timedelta(days=20))
    assert reconcile(missed, index, spool, now=NOW).fetched == 2


def test_a_pass_stops_at_its_limit_and_the_next_goes_on_there():
    archive, spool, index = archive_with("2.25.7", "2.25.8", "2.25.9"), MemorySpool(), KnownInstances()
    assert not reconcile(archive, index, spool, limit=1, now=NOW).is_done
    assert fetched(spool) == ["2.25.7.1", "2.25.7.2"]
    reconcile(archive, index, spool, limit=1, now=NOW)
    assert fetched(spool)[2:] == ["2.25.8.1", "2.25.8.2"]


def test_own_objects_are_left_in_the_archive(monkeypatch):
    archive, spool = archive_with("2.25.7"), MemorySpool()
    listed = (ArchiveInstance("2.25.7.1", "s", "2.25.7.1", is_own=True), ArchiveInstance("2.25.7.2", "s", "2.25.7.2"))
    monkeypatch.setattr(archive, "instances_of", lambda _uid: listed)
    reconcile(archive, KnownInstances(), spool, now=NOW)
    assert fetched(spool) == ["2.25.7.2"]


def test_an_instance_that_the_archive_lists_and_cannot_give_is_reported(monkeypatch):
    archive, spool = archive_with("2.25.7"), MemorySpool()
    monkeypatch.setattr(archive, "instances_of", lambda _uid: (ArchiveInstance("2.25.1", "s", "gone"),))
    assert reconcile(archive, KnownInstances(), spool, now=NOW).failed == ("2.25.1",)


def test_an_archive_that_goes_away_half_way_keeps_the_position_of_what_is_done(monkeypatch):
    archive, spool, index = archive_with("2.25.7", "2.25.8"), MemorySpool(), KnownInstances()
    instances_of = archive.instances_of

    def away_for_the_second(uid):
        if uid == "2.25.8":
            raise Unavailable("the archive does not answer")
        return instances_of(uid)

    monkeypatch.setattr(archive, "instances_of", away_for_the_second)
    with pytest.raises(Unavailable):
        reconcile(archive, index, spool, now=NOW)
    assert index.cursors[CURSOR] == "1"


def test_an_instance_that_the_archive_fails_on_holds_up_nothing_and_is_asked_for_again(monkeypatch):
    archive, spool, index = archive_with("2.25.7", "2.25.8"), MemorySpool(), KnownInstances()
    lost = broken(archive, monkeypatch, "2.25.7.1")
    report = reconcile(archive, index, spool, now=NOW)
    assert fetched(spool) == ["2.25.7.2", "2.25.8.1", "2.25.8.2"]
    assert (report.failed, report.sequence, report.is_done) == (("2.25.7.1",), 2, True)
    index.uids.update(fetched(spool))
    lost.clear()
    assert reconcile(archive, index, spool, now=NOW + timedelta(hours=1)).failed == ()
    assert fetched(spool)[3:] == ["2.25.7.1"]
    index.uids.add("2.25.7.1")
    assert reconcile(archive, index, spool, now=NOW + OWED_FOR).given_up == (), "it is not owed any more"


def test_what_the_archive_cannot_give_for_a_day_is_given_up_and_said(monkeypatch):
    archive, spool, index = archive_with("2.25.7"), MemorySpool(), KnownInstances({"2.25.7.2"})
    broken(archive, monkeypatch, "2.25.7.1")
    for hours in range(0, 24, 6):
        assert reconcile(archive, index, spool, now=NOW + timedelta(hours=hours)).failed == ("2.25.7.1",)
    report = reconcile(archive, index, spool, now=NOW + OWED_FOR)
    assert (report.given_up, report.failed) == (("2.25.7",), ())
    assert reconcile(archive, index, spool, now=NOW + OWED_FOR + GRACE).given_up == ()


def test_an_archive_whose_log_of_changes_began_anew_is_read_from_its_beginning():
    index = KnownInstances()
    reconcile(archive_with("2.25.1", "2.25.2", "2.25.3"), index, MemorySpool(), now=NOW - timedelta(hours=1))
    restored, spool = archive_with("2.25.7"), MemorySpool()
    assert reconcile(restored, index, spool, now=NOW).fetched == 2
    assert index.cursors[CURSOR] == "1"


def test_a_study_that_the_site_s_filter_leaves_out_stays_in_the_archive():
    archive, spool, index = archive_with("2.25.7", "2.25.8"), MemorySpool(), KnownInstances()
    archive.left_out.add("2.25.7")
    assert reconcile(archive, index, spool, now=NOW).fetched == 2
    assert fetched(spool) == ["2.25.8.1", "2.25.8.2"]
