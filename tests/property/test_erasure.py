"""Erasing a patient: nothing of theirs is left anywhere, and nothing of anybody else changes, whoever else there is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite
from pydicom.uid import ImplicitVRLittleEndian
from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    func,
    insert,
    select,
    update,
)

from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.erasure import OF_A_STUDY, known_tables
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.reader_tables import DeedRow
from plumbline.adapters.database.tables import ExamRow, InstanceRow, Moment, WorkitemRow
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.adapters.dimse.header import read_header
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.adapters.spool.erasing import ERASED, JournalEraser
from plumbline.erasure import Erasure, erase
from plumbline.errors import Conflict, InvalidInput
from plumbline.exams.facts import SourceKind
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.notices import MergeNotice, OrderNotice, OrderStatus
from plumbline.exams.order import order_from_text
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.patient_ports import Envelope
from plumbline.pipeline.receive import Label, Ledger
from plumbline.settings import Settings
from plumbline.testing import CT_IMAGE_STORAGE, ManualClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
IDS, ISSUERS = ("ADA-77", "BEA-88", "ADA-7"), ("NORTH", "SOUTH")
PEOPLE = [(identifier, issuer) for identifier in IDS for issuer in ISSUERS]

Person = tuple[str, str]


@dataclass
class Site:
    """A site with a row of every patient's studies in every table, and their images in the spool."""

    settings: Settings
    store: Store
    studies: dict[str, Person] = field(default_factory=dict)
    messages: int = 0

    def __post_init__(self) -> None:
        self.journal = Journal(self.settings.spool_dir)
        self.ledger = Ledger(JournalTail(self.settings.spool_dir), DatabaseInstanceIndex(self.store), read_header)
        self.intake = DatabaseMessageIntake(self.store, ManualClock(), IdentityPolicy())

    def add_study(self, person: Person, *, study: str | None = None) -> str:
        uid = study or f"2.25.{1000 + len(self.studies)}"
        self.send(person, uid, f"{uid}.1")
        if study is None:
            self.studies[uid] = person
            self._finish(uid, person)
        return uid

    def send(self, person: Person, study: str, instance: str) -> None:
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CT_IMAGE_STORAGE, instance
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.0"
        dataset.PatientID, dataset.IssuerOfPatientID = person
        dataset.PatientName = f"Name of {'^'.join(person)}"
        buffer = BytesIO()
        dcmwrite(buffer, dataset, implicit_vr=True, little_endian=True)
        label = Label(CT_IMAGE_STORAGE, instance, ImplicitVRLittleEndian, "ORTHANC", NOON)
        self.journal.add(label, buffer.getvalue())
        self.ledger.take_in()

    def _finish(self, uid: str, person: Person) -> None:
        with self.store.begin() as session:
            session.execute(
                update(ExamRow).where(ExamRow.study_instance_uid == uid).values(state="done", has_grown=False)
            )
            for column in OF_A_STUDY:
                if column.class_ not in (ExamRow, InstanceRow):
                    values = {"study_instance_uid": uid, "state": "done"}
                    session.execute(insert(column.class_).values(**filled(column.class_.__table__, values)))
            dataset = {"00100020": {"vr": "LO", "Value": [person[0]]}, "00100021": {"vr": "LO", "Value": [person[1]]}}
            work = {"workitem_uid": f"{uid}.7", "study_instance_uid": uid, "patient_id": person[0], "dataset": dataset}
            session.execute(insert(WorkitemRow).values(**filled(WorkitemRow.__table__, work)))

    def order(self, *people: Person) -> None:
        """One message with an order for each of these people."""
        notices = []
        self.messages += 1
        for number, person in enumerate(people):
            told = order_from_text(f"CT for {person[0]}", source=SourceKind.ORDER, reference_date=date(2026, 3, 1))
            key = f"{self.messages}-{number}"
            notices.append(OrderNotice(key, OrderStatus.ACTIVE, PatientIdentity(*person), told))
        self.intake.take_in(self._envelope(*people), notices)

    def merge(self, survivor: Person, retired: Person) -> None:
        self.messages += 1
        self.intake.take_in(self._envelope(survivor, retired), [MergeNotice(PatientIdentity(*survivor), (retired,))])

    def _envelope(self, *people: Person) -> Envelope:
        return Envelope("hl7", "OMI^O23", "HIS", str(self.messages), f"message of {people}".encode())

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        schema = MetaData()
        schema.reflect(self.store.engine)
        with self.store.read() as session:
            return {
                table.name: [dict(row) for row in session.execute(select(table)).mappings()]
                for table in schema.sorted_tables
            }

    def spooled(self) -> list[bytes]:
        return [bytes(dataset) for _, dataset in JournalEraser(self.settings.spool_dir).records()]

    def files(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.settings.data_dir.rglob("*")) if path.is_file())

    def erase(self, person: Person) -> Erasure:
        return erase(self.settings, *person, by="A. Officer")


def filled(table: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Values for every column that needs one."""
    values = dict(known)
    for column in table.columns:
        if column.name in values or column.nullable or column.autoincrement is True:
            continue
        made = {
            LargeBinary: b"x",
            Moment: NOON,
            Integer: 1,
            BigInteger: 1,
            Float: 1.0,
            Boolean: True,
            String: known["study_instance_uid"][:10],
            Text: f"{table.name} of {known['study_instance_uid']}",
        }
        values[column.name] = made.get(type(column.type), {})
    return {name: value for name, value in values.items() if name in table.columns}


@contextmanager
def new_site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        configured = Settings(data_dir=Path(folder))
        store = open_store(configured.store_url)
        site = Site(configured, store)
        try:
            yield site
        finally:
            site.journal.close()
            store.engine.dispose()


people = st.sampled_from(PEOPLE)


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(people, min_size=1, max_size=6), st.lists(st.lists(people, min_size=1, max_size=2), max_size=3), st.data()
)
def test_nothing_of_the_patient_is_left_and_nothing_of_others_changes(owners, orders, data):
    with new_site() as site:
        for owner in owners:
            site.add_study(owner)
        for named in orders:
            site.order(*named)
        patient = data.draw(st.sampled_from(owners))
        before, spooled = site.rows(), site.spooled()
        site.erase(patient)
        after = site.rows()
        others = {uid for uid, owner in site.studies.items() if owner != patient}
        theirs = site.studies.keys() - others
        for table, rows in after.items():
            text = repr(rows)
            assert not any(uid in text for uid in theirs), table
            kept = [row for row in before[table] if any(uid in repr(row) for uid in others)]
            if kept:
                assert all(row in rows for row in kept), table
        assert sorted(site.spooled()) == sorted(each for each in spooled if not names(each, patient))
        notices = {(row["identifier"], row["issuer"]) for row in after["order_patients"]}
        assert notices == {each for named in orders for each in named} - {patient}
        for row in after["messages"]:
            assert repr(patient).encode() not in row["body"]


def names(dataset: bytes, person: Person) -> bool:
    return f"Name of {'^'.join(person)}".encode() in dataset


@pytest.fixture
def site() -> Iterator[Site]:
    with new_site() as made:
        yield made


ADA, BEA = PEOPLE[0], PEOPLE[2]


def test_no_byte_of_the_name_is_left_in_database_or_spool(site):
    site.add_study(ADA), site.add_study(BEA)
    site.send(ADA, "2.25.1000", "2.25.1000.1")  # sent twice: nothing points to the second one
    assert site.files().count(b"Name of ADA-77") == 2
    done = site.erase(ADA)
    assert (done.instances, done.unreadable) == (2, 0)
    assert b"ADA-77" not in site.files()
    assert b"Name of BEA-88" in site.files()


def test_who_erased_is_on_record_and_whom_is_not(site):
    site.add_study(ADA)
    site.erase(ADA)
    with site.store.read() as session:
        (deed,) = session.scalars(select(DeedRow))
    assert deed.who == "A. Officer"
    assert deed.deed.startswith("Erased a patient: 1 studies, ")
    assert deed.study_instance_uid is None


def test_who_keeps_answers_to_searches_hears_of_an_erasure(site):
    site.add_study(ADA)
    worklist = DatabaseWorkitems(site.store, ManualClock())
    before = worklist.change_number()
    site.erase(ADA)
    assert worklist.change_number() > before


def test_without_a_word_for_it_nothing_is_changed(site):
    site.add_study(ADA)
    before, files = site.rows(), site.spooled()
    shown = erase(site.settings, *ADA, by=None)
    assert shown.instances == 1
    assert shown.rows["exams"] == shown.rows["pictures"] == shown.rows["workitems"] == 1
    assert (site.rows(), site.spooled()) == (before, files)


def test_every_table_is_one_of_which_it_is_settled_what_happens(site):
    assert known_tables() == site.rows().keys() - {"alembic_version"}


def test_records_that_were_merged_go_together(site):
    site.add_study(ADA), site.add_study(BEA)
    site.merge(ADA, BEA)
    done = site.erase(ADA)
    assert (done.identifiers, len(done.study_instance_uids), done.instances) == (2, 2, 2)
    assert site.rows()["patient_links"] == []


def test_what_was_set_aside_as_another_patients_stays_theirs(site):
    uid = site.add_study(ADA)
    site.send(BEA, uid, f"{uid}.2")
    site.erase(ADA)
    assert [row["reason"] for row in site.rows()["quarantine"]] == ["conflicting-patient"]
    (left,) = site.spooled()
    assert names(left, BEA)


def test_an_exam_under_way_is_refused_and_nothing_is_changed(site):
    uid = site.add_study(ADA)
    with site.store.begin() as session:
        session.execute(update(ExamRow).where(ExamRow.study_instance_uid == uid).values(state="complete"))
    before = site.rows()
    with pytest.raises(Conflict, match="under way"):
        site.erase(ADA)
    assert site.rows() == before
    assert len(site.spooled()) == 1


def test_exams_that_contradict_each_other_are_refused(site):
    first, second = site.add_study(ADA), site.add_study(ADA)
    with site.store.begin() as session:
        for uid, born in ((first, "1950-01-01"), (second, "1990-01-01")):
            row = session.get_one(ExamRow, uid)
            row.patient = {**row.patient, "birth_date": born}
    with pytest.raises(Conflict, match="may be of two people"):
        site.erase(ADA)


def test_nobody_of_that_name_is_said_so(site):
    site.add_study(BEA)
    with pytest.raises(InvalidInput, match="nothing is known"):
        site.erase(ADA)


def test_an_erased_record_stays_one_that_readers_can_pass(site):
    site.add_study(ADA), site.add_study(BEA)
    site.erase(ADA)
    tail = JournalTail(site.settings.spool_dir)
    (segment,) = tail.segments()
    labels = [each.label for each in tail.after(segment, 0, 10)]
    assert [label.sender for label in labels] == [ERASED, "ORTHANC"]
    with site.store.read() as session:
        assert session.scalar(select(func.count()).select_from(InstanceRow)) == 1
