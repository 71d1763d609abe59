"""Are two exams of the same patient? Identifier and issuer together, birth date and sex not against it.

Two patients' images must never be in one comparison, so everything short of agreement is a no. The
sentences name no patient data; they may be logged.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    if not _identifiers(first, policy) & _identifiers(second, policy):
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


def _identifiers(patient: PatientIdentity, policy: IdentityPolicy) -> set[tuple[str, str]]:
    pairs = ((patient.patient_id, patient.issuer), *patient.other_ids)
    return {(_plain(identifier), _issuer(issuer, policy)) for identifier, issuer in pairs if _plain(identifier)}


def _issuer(issuer: str | None, policy: IdentityPolicy) -> str:
    """The issuer as compared; an ID without one belongs to the site's default issuer."""
    return _plain(issuer or "") or _plain(policy.default_issuer or "")


def _plain(value: str) -> str:
    return value.strip()


def _contradictions(first: PatientIdentity, second: PatientIdentity) -> list[str]:
    against: list[str] = []
    if first.birth_date and second.birth_date and first.birth_date != second.birth_date:
        against.append("the birth dates do")
    sexes = {(first.sex or "").strip().upper(), (second.sex or "").strip().upper()}
    if len(sexes) == 2 and sexes <= _SEXES:
        against.append("the sexes do")
    return against


def _why_different(first: PatientIdentity, second: PatientIdentity) -> str:
    if _plain(first.patient_id) == _plain(second.patient_id):
        return "The patient IDs read the same but belong to different issuers, so they are different patients."
    return "The patient IDs differ."
