"""Two patients are never in one comparison, whatever is merged, ordered, mistyped or left out.

People have one birth date and one sex; records of them have identifiers, some shared by mistake, and leave things
out. Merges and orders come in any sequence through the same store and the same functions as in the path. What no
data could tell (two people whose records agree in everything) is not asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.news import DatabaseOrders
from plumbline.adapters.database.patients import DatabasePatients
from plumbline.adapters.database.record_tables import (
    MessageRow,
    NewsRow,
    OrderNoticeRow,
    OrderPatientRow,
    PatientLinkRow,
)
from plumbline.exams.facts import SourceKind
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.notices import MergeNotice, Notice, OrderNotice, OrderStatus
from plumbline.exams.order import order_from_text
from plumbline.exams.recognition import recognise
from plumbline.exams.study import PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.patient_ports import Envelope
from plumbline.pipeline.patient_record import archived_studies, known_study, orders_of, others_of
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.recognise import story_from
from plumbline.priors.choice import Candidate, PriorPolicy
from plumbline.priors.matching import choose_references
from plumbline.testing import ManualClock, MemoryArchive
from plumbline.triage.rule_file import default_rules

POLICY = SitePolicy(default_rules(), "2.25.9", priors=PriorPolicy(identity=IdentityPolicy("NORTH")))
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
IDS = ("1", "2")
ISSUERS = ("NORTH", "NORTH", None, "SOUTH")


@dataclass(frozen=True)
class Person:
    """Somebody, as nobody but the test knows them."""

    number: int
    birth_date: date
    sex: str


PEOPLE = (Person(0, date(1960, 1, 2), "F"), Person(1, date(1960, 2, 1), "F"), Person(2, date(1971, 5, 5), "M"))


@dataclass(frozen=True)
class Record:
    """An exam or an order of a person under an identifier that may be somebody else's, with what was filled in."""

    person: Person
    patient_id: str
    issuer: str | None
    has_birth_date: bool
    has_sex: bool
    day: int
    accession: str

    @property
    def patient(self) -> PatientIdentity:
        return PatientIdentity(
            self.patient_id,
            self.issuer,
            self.person.birth_date if self.has_birth_date else None,
            self.person.sex if self.has_sex else None,
        )


RECORDS = st.builds(
    Record,
    person=st.sampled_from(PEOPLE),
    patient_id=st.sampled_from(IDS),
    issuer=st.sampled_from(ISSUERS),
    has_birth_date=st.booleans(),
    has_sex=st.booleans(),
    day=st.integers(0, 60),
    accession=st.sampled_from(["A1", "A2", ""]),
)
MERGES = st.builds(
    lambda a, b, c, d: MergeNotice(PatientIdentity(a, b), ((c, d),)),
    *(st.sampled_from(each) for each in (IDS, ISSUERS, IDS, ISSUERS)),
)
ORDERS = st.builds(
    lambda record, key, is_operation, has_uid: OrderNotice(
        key,
        OrderStatus.ACTIVE,
        record.patient,
        replace(
            order_from_text(f"s/p TLIF L4-L5, fever of person {record.person.number}", source=SourceKind.ORDER),
            accession_number=record.accession or None,
        ),
        study_instance_uid="2.25.0" if has_uid else None,
        planned_on=(START + timedelta(days=record.day)).date(),
        is_operation=is_operation,
    ),
    RECORDS,
    st.sampled_from(["k1", "k2", "k3"]),
    st.booleans(),
    st.booleans(),
)


def exam_of(number: int, record: Record) -> Study:
    return Study(
        f"2.25.{number}",
        record.patient,
        (Series(f"2.25.{number}.0", "CT", (), description="LSPINE"),),
        START + timedelta(days=record.day),
        has_time=True,
        description="CT LSPINE s/p TLIF L4-L5 2026-01-02",
        accession_number=record.accession or None,
    )


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        yield store
        store.engine.dispose()


class Site:
    """As much of the path as decides who is compared with whom, on an emptied store."""

    def __init__(self, store: Store, studies: list[Study]) -> None:
        with store.begin() as session:
            for table in (MessageRow, NewsRow, OrderNoticeRow, OrderPatientRow, PatientLinkRow):
                session.query(table).delete()
        policy = POLICY.priors.identity
        self.intake = DatabaseMessageIntake(store, ManualClock(), policy)
        self.known = {each.study_instance_uid: each for each in studies}
        self.ports: Any = SimpleNamespace(
            images=SimpleNamespace(study=self.known.__getitem__),
            patients=DatabasePatients(store, policy),
            orders=DatabaseOrders(store, policy),
            archive=MemoryArchive(studies=[ArchiveStudy(each, 1) for each in studies]),
        )

    def hear(self, number: int, notice: Notice) -> None:
        self.intake.take_in(Envelope("hl7", "test", "HIS", str(number), b""), [notice])

    def compared_with(self, uid: str) -> tuple[list[Study], list[Study], list[str]]:
        """Exams that were chosen or called comparable, exams that tell the history, and texts of orders used."""
        study = known_study(uid, self.ports)
        listed = archived_studies(study, self.ports)
        orders = orders_of(study, self.ports, POLICY)
        story = story_from(study, orders, listed, self.ports, POLICY, hardware_seen=True, may_open_images=False)
        candidates = [Candidate(each.study, recognise(each.study, history=story.history)) for each in listed]
        choice = choose_references(study, story.recognition, candidates, story.history, POLICY.priors)
        chosen = [self.known[each.study_instance_uid] for each in choice.considered if each.role or each.comparable]
        texts = [each.text for each in (*orders.of_exam, *orders.of_patient)]
        return chosen, others_of(study, listed, POLICY), texts


def contradict(first: PatientIdentity, second: PatientIdentity) -> bool:
    """Whether what is filled in shows two people."""
    dates, sexes = {first.birth_date, second.birth_date} - {None}, {first.sex, second.sex} - {None}
    return len(dates) > 1 or len(sexes) > 1


@settings(max_examples=70, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    records=st.lists(RECORDS, min_size=3, max_size=6),
    news=st.lists(st.one_of(MERGES, ORDERS), max_size=6),
)
def test_no_comparison_holds_exams_that_show_two_people(store, records, news):
    studies = [exam_of(number, record) for number, record in enumerate(records)]
    site = Site(store, studies)
    for number, notice in enumerate(news):
        site.hear(number, notice)
    for current in studies:
        chosen, history, _ = site.compared_with(current.study_instance_uid)
        for group in ([current, *chosen], [current, *history]):
            patients = [each.patient for each in group]
            assert not any(contradict(a, b) for a in patients for b in patients)


@settings(max_examples=70, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    records=st.lists(
        RECORDS.map(lambda each: replace(each, has_birth_date=True, has_sex=True)), min_size=2, max_size=6
    ),
    news=st.lists(st.one_of(MERGES, ORDERS), max_size=6),
)
def test_where_records_are_filled_in_nobody_is_compared_with_or_ordered_for_somebody_else(store, records, news):
    studies = [exam_of(number, record) for number, record in enumerate(records)]
    people = {each.study_instance_uid: record.person for each, record in zip(studies, records, strict=True)}
    site = Site(store, studies)
    orders = [each for each in news if isinstance(each, OrderNotice)]
    filled_in = {each.order.text for each in orders if each.patient.birth_date and each.patient.sex}
    for number, notice in enumerate(news):
        site.hear(number, notice)
    for current in studies:
        chosen, history, texts = site.compared_with(current.study_instance_uid)
        person = people[current.study_instance_uid]
        assert {people[each.study_instance_uid] for each in (*chosen, *history)} <= {person}
        used = {text for text in texts if text in filled_in and not _also_vague(text, orders)}
        assert all(text.endswith(f"person {person.number}") for text in used)


def _also_vague(text: str, orders: list[OrderNotice]) -> bool:
    """Whether an order of the same words leaves birth date or sex out."""
    return any(each.order.text == text and not (each.patient.birth_date and each.patient.sex) for each in orders)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    records=st.lists(RECORDS.map(lambda each: replace(each, person=PEOPLE[0])), min_size=2, max_size=6),
    news=st.lists(
        st.one_of(MERGES, ORDERS.map(lambda each: replace(each, patient=_born_with(each.patient)))), max_size=5
    ),
)
def test_people_born_alike_are_one_only_where_identifier_and_issuer_or_a_merge_say_so(store, records, news):
    studies = [exam_of(number, record) for number, record in enumerate(records)]
    site = Site(store, studies)
    patients: dict[str, PatientIdentity] = {}
    for number, notice in enumerate(news):
        if isinstance(notice, OrderNotice):
            named = replace(notice, order=replace(notice.order, text=f"order {number}"))
            patients[named.order.text] = notice.patient
            site.hear(number, named)
        else:
            site.hear(number, notice)
    ties = Ties([each for each in news if isinstance(each, MergeNotice)])
    for current in studies:
        chosen, history, texts = site.compared_with(current.study_instance_uid)
        others = [*(each.patient for each in (*chosen, *history)), *(patients[text] for text in texts)]
        assert all(ties.tie(current.patient, other) for other in others)


def _born_with(patient: PatientIdentity) -> PatientIdentity:
    return replace(patient, birth_date=PEOPLE[0].birth_date, sex=PEOPLE[0].sex)


class Ties:
    """Which identifiers are of one person by what was said of them, worked out apart from the code under test."""

    def __init__(self, merges: list[MergeNotice]) -> None:
        self._groups: list[set[tuple[str, str]]] = []
        for merge in merges:
            joined = {
                self._name(merge.surviving),
                *((identifier, issuer or "NORTH") for identifier, issuer in merge.retired),
            }
            for group in [each for each in self._groups if each & joined]:
                self._groups.remove(group)
                joined |= group
            self._groups.append(joined)

    def tie(self, first: PatientIdentity, second: PatientIdentity) -> bool:
        names = {self._name(first), self._name(second)}
        return len(names) == 1 or any(names <= group for group in self._groups)

    @staticmethod
    def _name(patient: PatientIdentity) -> tuple[str, str]:
        return patient.patient_id, patient.issuer or "NORTH"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records=st.lists(RECORDS, min_size=2, max_size=5), merges=st.lists(MERGES, max_size=4), order=st.randoms())
def test_the_sequence_of_merges_does_not_matter(store, records, merges, order):
    studies = [exam_of(number, record) for number, record in enumerate(records)]
    shuffled = list(merges)
    order.shuffle(shuffled)
    outcomes = []
    for sequence in (merges, shuffled):
        site = Site(store, studies)
        for number, notice in enumerate(sequence):
            site.hear(number, notice)
        outcomes.append([site.compared_with(each.study_instance_uid) for each in studies])
    assert outcomes[0] == outcomes[1]
