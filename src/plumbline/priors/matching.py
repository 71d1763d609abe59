"""Choose what the current exam is compared with: preoperative exam, baseline, last prior; each with its reasons.

The baseline is the first comparable exam after the last operation that changed what is compared (B26);
the preoperative exam is the last comparable one before it; the prior is the last comparable exam before
the current one. Every candidate comes back with a score from named parts and a sentence, the rejected
ones too, and a role for which there is no valid exam says what is missing. Never across patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline.exams.history import Operation, SurgicalHistory
from plumbline.exams.identity import IdentityAnswer, SamePatient, same_patients
from plumbline.exams.recognition import Recognition
from plumbline.exams.study import Study
from plumbline.priors.choice import Candidate, PriorPolicy, Reference, ReferenceChoice, Role
from plumbline.priors.comparability import Comparability, compare_conditions, partial_sentence, score
from plumbline.priors.timeline import (
    is_earlier,
    is_operated,
    is_postoperative,
    operation_that_counts,
    settle_by_order,
)

_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Standing:
    """One admissible candidate: same patient, earlier than the current exam."""

    candidate: Candidate
    performed_at: datetime
    is_after: bool | None
    """After the operation that counts."""
    conditions: Comparability

    @property
    def uid(self) -> str:
        return self.candidate.study.study_instance_uid


def choose_references(
    current: Study,
    current_recognition: Recognition,
    candidates: Sequence[Candidate],
    history: SurgicalHistory,
    policy: PriorPolicy | None = None,
) -> ReferenceChoice:
    """Choose the references of the current exam, see ``ReferenceChooser``."""
    return ReferenceChooser(current, current_recognition, history, policy).choose(candidates)


class ReferenceChooser:
    """Chooses the references of one exam, and again when more is known of some candidates.

    A candidate that is handed in unchanged is not judged again: a patient may have hundreds of exams, of which
    three are looked at more closely.

    Parameters
    ----------
    current, recognition
        The exam that is to be compared.
    history
        Surgical history of its patient.
    """

    def __init__(
        self, current: Study, recognition: Recognition, history: SurgicalHistory, policy: PriorPolicy | None = None
    ) -> None:
        self._current = current
        self._recognition = recognition
        self._history = history
        self._policy = policy or PriorPolicy()
        self._operation, self._earlier = operation_that_counts(history, current, recognition)
        self._judged: dict[str, tuple[Candidate, int, Comparability]] = {}

    def choose(self, candidates: Sequence[Candidate]) -> ReferenceChoice:
        """Choose among exams in any order; also ones that must be rejected (of other patients, later ones, itself).

        Returns
        -------
        ReferenceChoice
            ``considered`` has one entry for each distinct candidate, chosen ones first, then by score. An
            exam has one role only; where the baseline is also the last exam before this one, the prior is
            missing and says so.
        """
        current, recognition, operation, policy = self._current, self._recognition, self._operation, self._policy
        distinct = {candidate.study.study_instance_uid: candidate for candidate in reversed(candidates)}
        answers = same_patients(current.patient, [one.study.patient for one in distinct.values()], policy.identity)
        identities = dict(zip(distinct, answers, strict=True))
        refused = {uid: reason for uid, one in distinct.items() if (reason := _refusal(current, one, identities[uid]))}
        standings = self._standings([one for uid, one in distinct.items() if uid not in refused])
        roles = _roles(standings, recognition, operation, policy)
        entries = [_reference(one, roles, current, operation, policy) for one in standings]
        entries += [_refused(distinct[uid], reason) for uid, reason in refused.items()]
        return ReferenceChoice(
            considered=tuple(sorted(entries, key=_rank)),
            missing=_missing(roles, standings, current, recognition, operation),
            notes=tuple(_notes(operation, self._history)),
            conflicts=tuple(_conflicts(answers)),
        )

    def _standings(self, admissible: Sequence[Candidate]) -> list[_Standing]:
        """The admissible candidates, the oldest first, each placed before or after the operation."""
        ordered = sorted(admissible, key=lambda one: (_moment(one.study), one.study.study_instance_uid))
        operated = is_operated(self._recognition, self._operation)
        known = [is_postoperative(one, self._operation, self._earlier) if operated else None for one in ordered]
        return [
            _Standing(
                candidate=one, performed_at=_moment(one.study), is_after=after, conditions=self._conditions(one, after)
            )
            for one, after in zip(ordered, settle_by_order(known), strict=True)
        ]

    def _conditions(self, candidate: Candidate, after: bool | None) -> Comparability:
        uid = candidate.study.study_instance_uid
        days_away = _days_away(candidate.study, self._current, self._operation, after)
        judged = self._judged.get(uid)
        if judged is None or judged[0] is not candidate or judged[1] != days_away:
            conditions = compare_conditions(self._recognition, candidate, self._operation, days_away, self._policy)
            judged = self._judged[uid] = (candidate, days_away, conditions)
        return judged[2]


def _refusal(current: Study, candidate: Candidate, identity: IdentityAnswer) -> str | None:
    """Why a candidate is out of the question before its images are even considered."""
    if candidate.study.study_instance_uid == current.study_instance_uid:
        return "It is the current exam itself."
    if not identity.is_same:
        return identity.sentence
    if candidate.study.performed_at is None:
        return "It has no date, so it cannot be placed before or after the operation."
    if current.performed_at is None:
        return "The current exam has no date, so no exam is known to be earlier."
    earlier = is_earlier(candidate.study, current)
    if earlier is None:
        return "It is of the same day and the times do not tell which exam was first."
    return None if earlier else "It is later than the current exam."


def _days_away(study: Study, current: Study, operation: Operation | None, after: bool | None) -> int:
    """Days to the operation, or to the current exam where no dated operation ties the exam."""
    anchor = operation.best_date if operation is not None and after is not None else None
    return (_moment(study).date() - (anchor or _moment(current).date())).days


def _moment(study: Study) -> datetime:
    """Date and time for ordering; admissible candidates have one."""
    return (study.performed_at or _BEFORE_ALL).replace(tzinfo=None)


def _roles(
    standings: Sequence[_Standing], recognition: Recognition, operation: Operation | None, policy: PriorPolicy
) -> dict[Role, _Standing]:
    comparable = [one for one in standings if one.conditions.is_comparable]
    roles: dict[Role, _Standing] = {}
    if is_operated(recognition, operation):
        before = [one for one in comparable if one.is_after is False]
        after = [one for one in comparable if one.is_after is True and not _is_too_late(one, operation, policy)]
        if before:
            roles[Role.PREOPERATIVE] = before[-1]
        if after:
            roles[Role.BASELINE] = after[0]
    if comparable and comparable[-1] not in roles.values():
        roles[Role.PRIOR] = comparable[-1]
    return roles


def _is_too_late(standing: _Standing, operation: Operation | None, policy: PriorPolicy) -> bool:
    delay = _delay_days(standing, operation)
    limit = policy.maximum_baseline_delay_days
    return limit is not None and delay is not None and delay > limit


def _delay_days(standing: _Standing, operation: Operation | None) -> int | None:
    if operation is None or operation.best_date is None:
        return None
    return (standing.performed_at.date() - operation.best_date).days


def _reference(
    standing: _Standing,
    roles: Mapping[Role, _Standing],
    current: Study,
    operation: Operation | None,
    policy: PriorPolicy,
) -> Reference:
    role = next((role for role, chosen in roles.items() if chosen is standing), None)
    reasons = list(standing.conditions.objections)
    if role is not None:
        reasons = [_chosen_sentence(role, standing, current, operation)]
        reasons += _late_sentence(role, standing, operation, policy)
    elif not reasons:
        reasons = [_passed_over_sentence(standing, roles, operation, policy)]
    if standing.candidate.archive is not None:
        reasons.append(f"It is from the archive {standing.candidate.archive}.")
    if standing.candidate.is_partial and (partial := partial_sentence(standing.candidate)) not in reasons:
        reasons.append(partial)
    return Reference(
        study_instance_uid=standing.uid,
        role=role,
        comparable=standing.conditions.is_comparable,
        score=score(standing.conditions.parts, policy),
        parts=standing.conditions.parts,
        reasons=tuple(reasons),
        is_partial=standing.candidate.is_partial,
    )


def _refused(candidate: Candidate, reason: str) -> Reference:
    return Reference(
        study_instance_uid=candidate.study.study_instance_uid,
        role=None,
        comparable=False,
        score=0.0,
        reasons=(reason,),
        is_partial=candidate.is_partial,
    )


def _chosen_sentence(role: Role, standing: _Standing, current: Study, operation: Operation | None) -> str:
    modality = standing.candidate.recognition.modality
    day = standing.performed_at.date().isoformat()
    if role is Role.PREOPERATIVE:
        return f"Preoperative reference: the last comparable {modality} before the operation, of {day}."
    if role is Role.PRIOR:
        away = (_moment(current).date() - standing.performed_at.date()).days
        return f"Prior: the last comparable {modality} before this exam, of {day}, {_days(away)} earlier."
    delay = _delay_days(standing, operation)
    when = f", {_days(delay)} after it" if delay is not None else ""
    return f"Baseline: the first comparable {modality} after the operation, of {day}{when}."


def _late_sentence(role: Role, standing: _Standing, operation: Operation | None, policy: PriorPolicy) -> list[str]:
    delay = _delay_days(standing, operation)
    if role is not Role.BASELINE or delay is None or delay <= policy.late_baseline_days:
        return []
    return [f"It was made late, {_days(delay)} after the operation: what moved before it cannot be seen."]


def _passed_over_sentence(
    standing: _Standing, roles: Mapping[Role, _Standing], operation: Operation | None, policy: PriorPolicy
) -> str:
    if standing.is_after is None and (operation is not None or roles):
        return "Comparable, but whether it was made before or after the operation is not known."
    if standing.is_after is False:
        return "Made before the operation, and a later preoperative exam is comparable."
    if _is_too_late(standing, operation, policy):
        return "Made after the operation, but too late to be its baseline."
    return "Comparable; the baseline is earlier and the prior is later."


def _missing(
    roles: Mapping[Role, _Standing],
    standings: Sequence[_Standing],
    current: Study,
    recognition: Recognition,
    operation: Operation | None,
) -> dict[Role, str]:
    return {
        role: _why_missing(role, roles, standings, current, recognition, operation)
        for role in Role
        if role not in roles
    }


def _why_missing(
    role: Role,
    roles: Mapping[Role, _Standing],
    standings: Sequence[_Standing],
    current: Study,
    recognition: Recognition,
    operation: Operation | None,
) -> str:
    if current.performed_at is None:
        return "The current exam has no date."
    if role is Role.PRIOR:
        return _why_no_prior(roles, standings)
    if not is_operated(recognition, operation):
        return "No operation is known, so there is nothing to be a reference for."
    wanted = role is Role.BASELINE
    side = "after" if wanted else "before"
    label = "baseline" if wanted else "preoperative exam"
    there = [one for one in standings if one.is_after is wanted]
    unclear = [one for one in standings if one.is_after is None and one.conditions.is_comparable]
    if there:
        return f"No valid {label}: {_exams(len(there))} {side} the operation, none comparable ({_commonest(there)})."
    if unclear:
        return (
            f"No valid {label}: of {_exams(len(unclear))} it is not known whether made before or after the operation."
        )
    return f"No valid {label}: no earlier exam of this patient from {side} the operation is there."


def _why_no_prior(roles: Mapping[Role, _Standing], standings: Sequence[_Standing]) -> str:
    comparable = [one for one in standings if one.conditions.is_comparable]
    if comparable:
        role = next(role for role, chosen in roles.items() if chosen is comparable[-1])
        name = {Role.BASELINE: "baseline", Role.PREOPERATIVE: "preoperative reference"}[role]
        return f"The last comparable exam before this one is the {name}."
    if standings:
        return f"No earlier exam is comparable ({_commonest(standings)})."
    return "No earlier exam of this patient is there."


def _commonest(standings: Sequence[_Standing]) -> str:
    """The objection that most of the exams share, without its full stop."""
    objections = [objection for one in standings for objection in one.conditions.objections]
    if not objections:
        return "too late after it"
    chosen = max(dict.fromkeys(objections), key=objections.count)
    return chosen[:1].lower() + chosen[1:].rstrip(".")


def _conflicts(answers: Sequence[IdentityAnswer]) -> Iterator[str]:
    """Say that exams were left out although their identifiers agree."""
    for sentence in sorted({each.sentence for each in answers if each.answer is SamePatient.CONFLICT}):
        count = sum(each.sentence == sentence for each in answers)
        yield f"{_exams(count)} left out: {sentence}"


def _notes(operation: Operation | None, history: SurgicalHistory) -> Iterator[str]:
    if operation is not None:
        yield operation.evidence
        if operation.doubt:
            yield f"Its date is in doubt: {operation.doubt}."
        elif operation.best_date is None:
            yield "The date of the operation is not known."
    for other in history.operations:
        if other is not operation and other.best_date is None:
            where = f" at {', '.join(level.name for level in other.levels)}" if other.levels else ""
            yield f"The {other.source.label} tells of an operation{where} that cannot be dated; it is not counted."
    for loser in history.overruled:
        yield f"The {loser.source.label} said: {loser.fact}; {loser.reason}."


def _rank(reference: Reference) -> tuple[int, float, str]:
    order = list(Role)
    return order.index(reference.role) if reference.role else len(order), -reference.score, reference.study_instance_uid


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _exams(count: int) -> str:
    return f"{count} exam{'' if count == 1 else 's'}"
