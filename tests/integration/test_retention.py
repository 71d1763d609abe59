"""From instances in the journal to room given back: real segments, a real ledger, an archive in memory."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.retention import DatabaseRetention
from plumbline.adapters.database.tables import ExamRow
from plumbline.adapters.dimse.header import read_header
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.errors import InvalidInput
from plumbline.pipeline.archive_ports import FetchedInstance
from plumbline.pipeline.ports import ExamState
from plumbline.pipeline.receive import Label, Ledger
from plumbline.pipeline.retention import Reclaimer, release_safe
from plumbline.testing import MemoryArchive
from tests.benchmark.store_sender import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, UID_LENGTH, instance


class World:
    """A spool with its ledger; two instances to a segment."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.journal = Journal(self.spool, segment_bytes=4096 + 2 * 12288)
        self.store = open_store(f"sqlite:///{folder / 'store.sqlite'}")
        self.index = DatabaseInstanceIndex(self.store)
        self.retention = DatabaseRetention(self.store)
        self.tail = JournalTail(self.spool)
        self.ledger = Ledger(self.tail, self.index, read_header)
        self.archive = MemoryArchive()
        self.sent: dict[str, bytes] = {}

    def receive(self, study: str, *numbers: int) -> None:
        template, uid_at = instance(64, study, study + ".9")
        for number in numbers:
            uid = f"{study}.{number}".ljust(UID_LENGTH, "1")
            data = template[:uid_at] + uid.encode() + template[uid_at + UID_LENGTH :]
            self.sent[uid] = data
            self.journal.add(Label(CT_IMAGE_STORAGE, uid, EXPLICIT_LITTLE, "ORTHANC", datetime.now(UTC)), data)
        self.ledger.take_in()

    def end(self, study: str, state: ExamState = ExamState.DONE) -> None:
        with self.store.begin() as session:
            values = {"state": state.value, "has_grown": False}
            session.execute(update(ExamRow).where(ExamRow.study_instance_uid == study).values(**values))

    def archive_holds(self, study: str) -> None:
        self.archive.instances[study] = [
            FetchedInstance(data, CT_IMAGE_STORAGE, uid, EXPLICIT_LITTLE)
            for uid, data in self.sent.items()
            if uid.startswith(study + ".")
        ]

    def give_back(self) -> int:
        quiet_since = datetime.now(UTC) + timedelta(seconds=1)
        release_safe(self.retention, self.index, self.archive, quiet_since=quiet_since)
        self.ledger.take_in()
        return Reclaimer(self.tail, self.retention, settle_s=0).reclaim()

    def bytes_held(self, study: str) -> list[bytes]:
        return [self.journal.read(each.location) for each in self.index.held(study)]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.journal.close()
    world.store.engine.dispose()


def test_room_is_given_back_when_exam_and_archive_allow_it_and_not_before(world):
    world.receive("2.25.11", 1, 2, 3, 4)
    world.receive("2.25.12", 5, 6)
    assert world.give_back() == 0, "both are under way"
    world.end("2.25.11")
    world.end("2.25.12")
    assert world.give_back() == 0, "the archive holds neither"
    world.archive_holds("2.25.11")
    del world.archive.instances["2.25.11"][2]
    assert world.give_back() == 0, "the archive lacks one"
    world.archive_holds("2.25.11")
    before = len(world.tail.segments())
    assert world.give_back() > 0
    assert len(world.tail.segments()) == before - 2
    assert world.index.held("2.25.11") == []
    assert len(world.bytes_held("2.25.12")) == 2
    assert all(data in world.sent.values() for data in world.bytes_held("2.25.12"))


def test_an_instance_sent_again_and_again_takes_room_only_until_the_next_round(world):
    world.receive("2.25.11", 1, 2)
    for _ in range(5):
        world.receive("2.25.11", 1, 2)
    assert len(world.tail.segments()) == 6
    assert world.give_back() > 0
    assert len(world.tail.segments()) == 2, "the first, and the one that is still written"
    (first, second) = world.index.held("2.25.11")
    assert {first.sha256, second.sha256} == {hashlib.sha256(data).hexdigest() for data in world.sent.values()}
    assert set(world.bytes_held("2.25.11")) == set(world.sent.values())


def test_what_was_given_back_is_told_to_a_late_reader_and_can_be_received_anew(world):
    world.receive("2.25.11", 1, 2)
    (first, _) = world.index.held("2.25.11")
    world.receive("2.25.12", 3, 4)
    world.end("2.25.11")
    world.archive_holds("2.25.11")
    world.end("2.25.12", ExamState.FAILED)
    assert world.give_back() > 0
    with pytest.raises(InvalidInput, match="no such segment"):
        world.journal.read(first.location)
    world.receive("2.25.11", 1, 2)
    assert set(world.bytes_held("2.25.11")) <= set(world.sent.values())
    assert len(world.bytes_held("2.25.11")) == 2
