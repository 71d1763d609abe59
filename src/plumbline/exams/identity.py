"""Are two exams of the same patient? Identifier and issuer together, birth date and sex not against it.

Two patients' images must never be in one comparison, so everything short of agreement is a no. The
sentences name no patient data; they may be logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from plumbline.exams.study import PatientIdentity

_SEXES = frozenset({"M", "F"})
"""Values of Patient's Sex (0010,0040) that can contradict; O and unknown cannot."""


class SamePatient(StrEnum):
    """Answer of the same-patient rule."""

    SAME = "same"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    """The identifiers say the same patient, birth date or sex say another: a person must look."""


@dataclass(frozen=True, slots=True)
class IdentityAnswer:
    """The answer and its sentence."""

    answer: SamePatient
    sentence: str

    @property
    def is_same(self) -> bool:
        """True only for plain agreement."""
        return self.answer is SamePatient.SAME


_CONTESTED = IdentityAnswer(
    SamePatient.CONFLICT,
    "Exams under this patient's identifiers contradict each other in birth date or sex, and whose this one is "
    "cannot be told; the exams are not compared.",
)


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """What a patient ID without an issuer means at this site."""

    default_issuer: str | None = None
    """Issuer of Patient ID (0010,0021) that an ID without one belongs to."""


def same_patient(
    first: PatientIdentity, second: PatientIdentity, policy: IdentityPolicy | None = None
) -> IdentityAnswer:
    """Apply the rule; symmetric in its two patients.

    An empty Patient ID is nobody's: it never agrees, not even with another empty one.
    """
    policy = policy or IdentityPolicy()
    if not first.patient_id.strip() or not second.patient_id.strip():
        return IdentityAnswer(
            SamePatient.DIFFERENT, "A patient ID is missing, so the patients cannot be taken as the same."
        )
    if not identifiers_of(first, policy) & identifiers_of(second, policy):
        return IdentityAnswer(SamePatient.DIFFERENT, _why_different(first, second))
    contradictions = _contradictions(first, second)
    if contradictions:
        against = " and ".join(contradictions)
        return IdentityAnswer(
            SamePatient.CONFLICT, f"Patient ID and issuer agree but {against} not; the exams are not compared."
        )
    return IdentityAnswer(
        SamePatient.SAME, "Patient ID and issuer agree, and birth date and sex do not speak against it."
    )


def same_patients(
    current: PatientIdentity, others: Sequence[PatientIdentity], policy: IdentityPolicy | None = None
) -> list[IdentityAnswer]:
    """Apply the rule to a whole group, so that not only each other record but all of them together agree.

    Where records that share the current one's identifiers contradict each other, one that leaves the
    contradicted birth date or sex open may be of either person: it is a conflict. So no two of those that
    are the same patient as the current one contradict each other.

    Returns
    -------
    list
        One answer for each of ``others``, in their order.
    """
    policy = policy or IdentityPolicy()
    answer_to = {other: same_patient(current, other, policy) for other in set(others)}
    answers = [answer_to[other] for other in others]
    sharing = [o for o, answer in zip(others, answers, strict=True) if answer.answer is not SamePatient.DIFFERENT]
    contested = [
        read
        for read in (_birth_date, contradictable_sex)
        if len({read(one) for one in (current, *sharing)} - {None}) > 1
    ]
    return [
        _CONTESTED if answer.is_same and any(None in (read(current), read(other)) for read in contested) else answer
        for other, answer in zip(others, answers, strict=True)
    ]


def contradictable_sex(patient: PatientIdentity) -> str | None:
    """Patient's Sex where it is one that can contradict another."""
    sex = (patient.sex or "").strip().upper()
    return sex if sex in _SEXES else None


def as_held(listed: PatientIdentity, held: PatientIdentity) -> PatientIdentity:
    """Whose an exam is once its images are here: what they say, with what they leave open as the archive lists it.

    An archive may list a study under another patient than its images name; then the images count.
    """
    if _plain(held.patient_id) != _plain(listed.patient_id):
        return held
    return replace(
        held,
        issuer=held.issuer or listed.issuer,
        birth_date=held.birth_date or listed.birth_date,
        sex=held.sex if contradictable_sex(held) else listed.sex,
        other_ids=tuple(dict.fromkeys((*held.other_ids, *listed.other_ids))),
    )


def identifiers_of(patient: PatientIdentity, policy: IdentityPolicy) -> set[tuple[str, str]]:
    """All (patient ID, issuer) pairs of a record as they are compared."""
    pairs = ((patient.patient_id, patient.issuer), *patient.other_ids)
    return {(_plain(identifier), _issuer(issuer, policy)) for identifier, issuer in pairs if _plain(identifier)}


def _issuer(issuer: str | None, policy: IdentityPolicy) -> str:
    """The issuer as compared; an ID without one belongs to the site's default issuer."""
    return _plain(issuer or "") or _plain(policy.default_issuer or "")


def _plain(value: str) -> str:
    return value.strip()


def _contradictions(first: PatientIdentity, second: PatientIdentity) -> list[str]:
    against: list[str] = []
    for read, words in ((_birth_date, "the birth dates do"), (contradictable_sex, "the sexes do")):
        values = {read(first), read(second)}
        if None not in values and len(values) > 1:
            against.append(words)
    return against


def _birth_date(patient: PatientIdentity) -> date | None:
    return patient.birth_date


def _why_different(first: PatientIdentity, second: PatientIdentity) -> str:
    if _plain(first.patient_id) == _plain(second.patient_id):
        return "The patient IDs read the same but belong to different issuers, so they are different patients."
    return "The patient IDs differ."
