"""Made-up patient histories for the choice of references, with the rule of truth stated apart from the code.

A history is drawn as what really happened: operations on days, exams on days, each of a true person. From
it come the headers and orders that a hospital would hold, with their gaps and mistakes. The truth of the
roles is worked out from what really happened and never from what was written:

- The *counting operation* is the last one before the current exam in the current exam's region, unless it
  was a kyphoplasty away from an earlier fusion.
- An exam is *usable* when it is of the same true person under an identifier that ties them (one without a
  birth date is not tied where a stranger's exam is filed under the same identifier), earlier than the
  current exam, dated as that one is too, and made under the same conditions: modality (CR and DX are one),
  region, projection and position, slices of at most 5 mm, and holding more than a dose sheet.
- *Preoperative* is the last usable exam before the counting operation, *baseline* the first usable one
  after it, *prior* the last usable one of all, unless it already is one of the two.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from plumbline.exams.facts import SourceKind
from plumbline.exams.order import Order
from plumbline.exams.study import Instance, PatientIdentity, Series, Study

_THICKEST_USABLE_MM = 5.0
_FIRST_DAY = date(2018, 1, 1)
_FUSIONS = ("TLIF", "PLIF", "posterior fusion")
_LUMBAR = ("L2-L3", "L3-L4", "L4-L5", "L5-S1")
_DESCRIPTIONS = {
    "L": ("{m} LSPINE", "{m} LUMBAR SPINE WO", "{m} LWS", "{m} rachis lombaire", "{m} columna lumbar", "{m} L-SPINE"),
    "C": ("{m} CSPINE", "{m} HWS", "{m} rachis cervical", "{m} columna cervical"),
    "chest": ("{m} CHEST", "{m} Thorax", "{m} ABDOMEN PELVIS"),
}
_DONE = ("s/p {p} {l} on {d}", "Z.n. {p} {l} am {g}", "status post {p} {l}, surgery {d}", "{l} {p} {d}")
_AGO = (
    "s/p {p} {l} {n} weeks ago",
    "Z.n. {p} {l} vor {n} Wochen",
    "{l} {p}, {n} weeks post op",
    "{p} {l} hace {n} semanas",
)


@dataclass(frozen=True)
class TrueOperation:
    """What was really done."""

    day: date
    region: str
    levels: str
    procedure: str

    @property
    def is_fusion(self) -> bool:
        """Whether it left metal."""
        return self.procedure in _FUSIONS or self.procedure == "ACDF"


@dataclass(frozen=True)
class TrueExam:
    """What was really made, of whom, and what its header says."""

    day: date
    person: int
    region: str
    modality: str
    view: tuple[str, str] | None
    thickness_mm: float
    is_dose_sheet: bool
    is_tied: bool
    """Its identifier ties it to the patient of the history."""
    study: Study
    hardware_seen: bool | None


@dataclass(frozen=True)
class PatientHistory:
    """One case: what the system is given, and the truth."""

    current: TrueExam
    exams: tuple[TrueExam, ...]
    orders: tuple[Order, ...]
    truth: dict[str, str | None]
    """Study Instance UID by role, None where no exam is usable."""
    person_of: dict[str, int]


def histories(count: int, seed: int) -> Iterator[PatientHistory]:
    """``count`` histories, the same for the same seed."""
    for number in range(count):
        yield _Draw(random.Random(f"{seed}-{number}"), number).history()


class _Draw:
    """Draws one history."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.rng = rng
        self.number = number
        self.identity = PatientIdentity(
            f"P{number}",
            "NORTH",
            date(1940 + rng.randrange(50), 1 + rng.randrange(12), 1 + rng.randrange(28)),
            rng.choice("MF"),
        )
        self.made = 0

    def history(self) -> PatientHistory:
        rng = self.rng
        operations = self._operations()
        last = operations[-1].day if operations else _FIRST_DAY
        current = self._exam(last + timedelta(days=rng.randrange(20, 700)), operations, is_current=True)
        exams = [self._exam(day, operations, like=current) for day in self._days(operations, current.day)]
        exams += [self._foreign(current, exams) for _ in range(rng.randrange(3))]
        exams = [exam for exam in exams if exam.study.study_instance_uid != current.study.study_instance_uid]
        exams = _tied(exams)
        rng.shuffle(exams)
        orders, exams = self._written(operations, exams)
        everyone = {exam.study.study_instance_uid: exam.person for exam in (*exams, current)}
        return PatientHistory(current, tuple(exams), tuple(orders), true_roles(current, exams, operations), everyone)

    def _operations(self) -> list[TrueOperation]:
        """None to three, months apart: a fusion, then revisions, extensions, a kyphoplasty or a neck operation."""
        rng = self.rng
        if rng.random() < 0.05:
            return []
        day = _FIRST_DAY + timedelta(days=rng.randrange(400, 1200))
        start = rng.randrange(3)
        drawn = [TrueOperation(day, "L", _LUMBAR[start], rng.choice(_FUSIONS))]
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            day += timedelta(days=rng.randrange(120, 900))
            drawn.append(
                rng.choice(
                    (
                        TrueOperation(day, "L", _LUMBAR[start], rng.choice(_FUSIONS)),
                        TrueOperation(day, "L", _LUMBAR[start + 1], rng.choice(_FUSIONS)),
                        TrueOperation(day, "C", "C5-C6", "ACDF"),
                        TrueOperation(day, "L", "T12-L1", "kyphoplasty"),
                    )
                )
            )
        return drawn

    def _days(self, operations: list[TrueOperation], current: date) -> list[date]:
        """Exams cluster round operations as follow-up does, and a few lie anywhere; none on a day of surgery."""
        rng = self.rng
        offsets = (-90, -30, -5, 1, 3, 42, 90, 180, 365)
        days = [op.day + timedelta(days=rng.choice(offsets) + rng.randrange(3)) for op in operations for _ in range(4)]
        days += [_FIRST_DAY + timedelta(days=rng.randrange(2500)) for _ in range(rng.randrange(4))]
        operated = {op.day for op in operations}
        return [day for day in days if day not in operated and day != current]

    def _exam(
        self, day: date, operations: list[TrueOperation], *, like: TrueExam | None = None, is_current: bool = False
    ) -> TrueExam:
        rng = self.rng
        region = "L" if is_current else rng.choices(("L", "C", "chest"), (8, 1, 1))[0]
        modality = rng.choices(("CT", "DX", "MR"), (6, 3, 1))[0]
        if like is not None and rng.random() < 0.6:
            modality = like.modality
        view = (
            (rng.choice(("lateral", "lateral", "ap")), rng.choice(("standing", "supine"))) if modality == "DX" else None
        )
        if like is not None and like.view is not None and view is not None and rng.random() < 0.6:
            view = like.view
        thickness = rng.choice((0.75, 1.0, 1.25, 2.5, 7.5)) if not is_current else 1.0
        is_sheet = not is_current and rng.random() < 0.03
        has_metal = any(op.is_fusion and op.region == region and op.day < day for op in operations)
        identity, is_tied = self._identity()
        return TrueExam(
            day=day,
            person=self.number,
            region=region,
            modality=modality,
            view=view,
            thickness_mm=thickness,
            is_dose_sheet=is_sheet,
            is_tied=is_tied or is_current,
            study=self._study(
                day, region, modality, view, thickness, is_sheet, self.identity if is_current else identity
            ),
            hardware_seen=has_metal if modality == "CT" and region == "L" and not is_sheet else None,
        )

    def _identity(self) -> tuple[PatientIdentity, bool]:
        """How the header names the patient: mostly plainly; from elsewhere with or without a tie to here."""
        own = self.identity
        kind = self.rng.choices(("own", "no birth date", "tied", "untied", "no issuer"), (80, 5, 6, 5, 4))[0]
        if kind == "no birth date":
            return replace(own, birth_date=None), True
        if kind == "tied":
            return replace(own, patient_id="X77", issuer="SOUTH", other_ids=((own.patient_id, "NORTH"),)), True
        if kind == "untied":
            return replace(own, issuer="SOUTH"), False
        if kind == "no issuer":
            return replace(own, issuer=None), True
        return own, True

    def _foreign(self, current: TrueExam, exams: list[TrueExam]) -> TrueExam:
        """An exam of somebody else that looks like one of ours: same number elsewhere, or filed under our number."""
        model = self.rng.choice([current, *exams])
        if self.rng.random() < 0.5:
            identity = PatientIdentity(self.identity.patient_id, "SOUTH", date(1930, 5, 5), self.identity.sex)
        else:
            identity = replace(self.identity, birth_date=date(1930, 5, 5))
        day = current.day - timedelta(days=self.rng.randrange(1, 900))
        study = self._study(day, model.region, model.modality, model.view, 1.0, False, identity)
        return replace(model, day=day, person=-1, is_tied=False, study=study, thickness_mm=1.0, is_dose_sheet=False)

    def _study(
        self,
        day: date,
        region: str,
        modality: str,
        view: Any,
        thickness: float,
        is_sheet: bool,
        identity: PatientIdentity,
    ) -> Study:
        self.made += 1
        uid = f"1.{self.number}.{self.made}"
        described = self.rng.choice(_DESCRIPTIONS[region]).format(m="XR" if modality == "DX" else modality)
        body_part = {"L": "LSPINE", "C": "CSPINE", "chest": "CHEST"}[region]
        if region != "chest" and self.rng.random() < 0.08:
            described = None
        said = "Dose Report" if is_sheet else " ".join(view) if view else None
        is_undated = self.rng.random() < 0.02
        return Study(
            study_instance_uid=uid,
            patient=identity,
            series=(
                Series(
                    f"{uid}.1",
                    modality,
                    _slices(uid, modality, thickness),
                    description=said,
                    body_part_examined=body_part,
                ),
            ),
            performed_at=None if is_undated else datetime(day.year, day.month, day.day),
            description=described,
            accession_number=f"A{uid}",
        )

    def _written(self, operations: list[TrueOperation], exams: list[TrueExam]) -> tuple[list[Order], list[TrueExam]]:
        """Orders and header texts that tell of the operations, with gaps and mistakes.

        The date of the first operation may be given only in weeks, or only be visible from the metal; that
        of a later fusion may be given only in weeks, by a later exam. A weaker source may give a wrong level.
        """
        orders = [order for i, op in enumerate(operations) if (order := self._order(op, i == 0, exams)) is not None]
        written = [self._with_text(exam, operations) for exam in exams]
        return orders, written

    def _order(self, operation: TrueOperation, is_first: bool, exams: list[TrueExam]) -> Order | None:
        rng = self.rng
        own = [exam for exam in exams if exam.person == self.number and exam.is_tied and exam.study.performed_at]
        after = sorted((exam for exam in own if exam.day > operation.day), key=lambda exam: exam.day)
        shows_all = all(exam.modality == "CT" for exam in exams if exam.region == "L")
        if is_first and operation.is_fusion and shows_all and rng.random() < 0.7:
            return self._weeks_ago(operation, after[0]) if after and rng.random() < 0.5 else None
        if not is_first and operation.is_fusion and after and rng.random() < 0.15:
            return self._weeks_ago(operation, after[0])
        day = operation.day
        text = rng.choice(_DONE).format(
            p=operation.procedure,
            l=operation.levels,
            d=day.isoformat(),
            g=f"{day.day:02}.{day.month:02}.{day.year}",
        )
        return Order(text, rng.choice((SourceKind.ORDER, SourceKind.OPERATIVE_RECORD)))

    def _weeks_ago(self, operation: TrueOperation, told: TrueExam) -> Order:
        """An order that goes with an exam after the operation and counts the weeks since."""
        weeks = max(round((told.day - operation.day).days / 7), 1)
        text = self.rng.choice(_AGO).format(p=operation.procedure, l=operation.levels, n=weeks)
        return Order(text, SourceKind.ORDER, accession_number=told.study.accession_number)

    def _with_text(self, exam: TrueExam, operations: list[TrueOperation]) -> TrueExam:
        rng = self.rng
        done = [op for op in operations if op.day < exam.day and op.region == exam.region]
        coming = [op for op in operations if op.day > exam.day and op.region == exam.region]
        texts: list[str] = []
        if done and rng.random() < 0.4:
            level = rng.choice(_LUMBAR) if done[-1].region == "L" and rng.random() < 0.05 else done[-1].levels
            texts.append(
                rng.choice(("s/p {p} {l}", "Z.n. {p} {l}", "post op {l}")).format(p=done[-1].procedure, l=level)
            )
        elif coming and not done and rng.random() < 0.4:
            texts.append(
                rng.choice(("preop {l}", "OP-Planung {l}", "bilan préopératoire {l}")).format(l=coming[0].levels)
            )
        return replace(exam, study=replace(exam.study, reason_for_study=tuple(texts)))


def _tied(exams: list[TrueExam]) -> list[TrueExam]:
    """Without a birth date an exam is nobody's for certain once a stranger's is filed under the same number."""
    if not any(exam.person < 0 and exam.study.patient.issuer == "NORTH" for exam in exams):
        return exams
    return [exam if exam.study.patient.birth_date else replace(exam, is_tied=False) for exam in exams]


def _slices(uid: str, modality: str, thickness_mm: float) -> tuple[Instance, ...]:
    if modality == "DX":
        return (Instance(f"{uid}.1.1", "1.2.840.10008.5.1.4.1.1.1.1"),)
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return tuple(
        Instance(
            f"{uid}.1.{i}",
            "1.2.840.10008.5.1.4.1.1.2",
            image_position_lps_mm=(0.0, 0.0, i * thickness_mm),
            image_orientation=axial,
        )
        for i in range(24)
    )


def true_roles(current: TrueExam, exams: list[TrueExam], operations: list[TrueOperation]) -> dict[str, str | None]:
    """The rule of truth, on what really happened (see the head of this module)."""
    usable = sorted((e for e in exams if _is_usable(e, current)), key=lambda e: (e.day, e.study.study_instance_uid))
    operation = _counting_operation(operations, current)
    roles: dict[str, str | None] = {"preoperative": None, "baseline": None, "prior": None}
    if operation is not None:
        before = [e for e in usable if e.day < operation.day]
        after = [e for e in usable if e.day > operation.day]
        roles["preoperative"] = before[-1].study.study_instance_uid if before else None
        roles["baseline"] = after[0].study.study_instance_uid if after else None
    if usable and usable[-1].study.study_instance_uid not in roles.values():
        roles["prior"] = usable[-1].study.study_instance_uid
    return roles


def _counting_operation(operations: list[TrueOperation], current: TrueExam) -> TrueOperation | None:
    """The last one of the region; every kyphoplasty drawn follows a fusion at other levels and changes nothing."""
    chosen = [op for op in operations if op.day < current.day and op.region == current.region and op.is_fusion]
    return chosen[-1] if chosen else None


def _is_usable(exam: TrueExam, current: TrueExam) -> bool:
    return (
        exam.person == current.person
        and exam.is_tied
        and exam.study.performed_at is not None
        and current.study.performed_at is not None
        and exam.day < current.day
        and exam.region == current.region
        and exam.modality == current.modality
        and exam.view == current.view
        and not exam.is_dose_sheet
        and (exam.modality == "DX" or exam.thickness_mm <= _THICKEST_USABLE_MM)
    )
