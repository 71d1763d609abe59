"""``make bench-priors``: the reader of spine text on labelled lines, and the choice of references on made-up histories.

Prints tables for people and writes the same figures to ``build/figures/priors.json``. ``-v`` lists what went wrong.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from patient_histories import PatientHistory, TrueExam, histories
from spine_text_accuracy import Tally, labelled_lines, table, tally

from plumbline.exams.history import SurgicalHistory, history_from_studies
from plumbline.exams.identity import IdentityPolicy, same_patients
from plumbline.exams.recognition import recognise
from plumbline.exams.spine_text import read_spine_text
from plumbline.priors.choice import Candidate, PriorPolicy, ReferenceChoice, Role
from plumbline.priors.matching import choose_references

HISTORIES = 1000
SEED = 20260601
EXAMS_OF_A_LONG_HISTORY = 200
POLICY = PriorPolicy(identity=IdentityPolicy("NORTH"))
FIGURES = Path("build/figures/priors.json")


@dataclass
class RoleScore:
    """How the choice did over all histories."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    cross_patient: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of right roles, "none" included where none is usable."""
        return self.right.total() / self.asked.total()


def choose(case: PatientHistory) -> tuple[ReferenceChoice, SurgicalHistory]:
    """What the path does with one case: same patients' texts make the history, then the roles are chosen."""
    current = case.current.study
    answers = same_patients(current.patient, [exam.study.patient for exam in case.exams], POLICY.identity)
    own = [exam for exam, answer in zip(case.exams, answers, strict=True) if answer.is_same]
    seen = {exam.study.study_instance_uid: exam.hardware_seen for exam in (*own, case.current)}
    history = history_from_studies([current, *(exam.study for exam in own)], case.orders, hardware_seen=seen)
    candidates = [Candidate(exam.study, recognise(exam.study), hardware_seen=exam.hardware_seen) for exam in case.exams]
    return choose_references(current, recognise(current, history=history), candidates, history, POLICY), history


def score_roles(count: int, seed: int) -> RoleScore:
    """Choose the references of ``count`` histories and compare with the truth."""
    scored = RoleScore()
    for case in histories(count, seed):
        choice, history = choose(case)
        scored.cross_patient += sum(
            case.person_of[one.study_instance_uid] != case.current.person
            for one in choice.considered
            if one.comparable or one.role is not None
        )
        for role in Role:
            chosen = choice.chosen(role)
            found = chosen.study_instance_uid if chosen else None
            scored.asked[role.value] += 1
            scored.right[role.value] += found == case.truth[role.value]
            if found != case.truth[role.value]:
                operated = [f"{op.earliest}..{op.latest} {op.procedures}" for op in history.operations]
                scored.wrong.append(
                    f"{case.current.study.study_instance_uid}: {role.value} {found}, should be "
                    f"{case.truth[role.value]}; {operated}; orders {[o.text for o in case.orders]}"
                )
    return scored


def long_history_ms() -> float:
    """Median of our own (CPU) time to choose among 200 exams, in ms, recognition and history included."""
    case = max(histories(100, SEED), key=lambda one: len(one.exams))
    own = [exam for exam in case.exams if exam.person == case.current.person]
    many = tuple(own[i % len(own)] for i in range(EXAMS_OF_A_LONG_HISTORY))
    exams = tuple(_renamed(exam, f"9.{i}") for i, exam in enumerate(many))
    crowded = PatientHistory(case.current, exams, case.orders, case.truth, {})
    times = []
    for _ in range(5):
        read_spine_text.cache_clear()
        started = time.process_time()
        choose(crowded)
        times.append((time.process_time() - started) * 1000)
    return median(times)


def _renamed(exam: TrueExam, uid: str) -> TrueExam:
    return replace(exam, study=replace(exam.study, study_instance_uid=uid))


def report(tallies: dict[str, dict[str, Tally]], scored: RoleScore, match_ms: float) -> str:
    """The tables for people."""
    parts = [
        f"Spine text, {name.replace('_', '-')} lines ({len(labelled_lines(name))})\n{table(counted)}\n"
        for name, counted in tallies.items()
    ]
    parts.append(f"Roles over {HISTORIES} histories\n{'role':<14}{'right':>7}{'of':>7}{'share':>8}")
    for role in Role:
        right, asked = scored.right[role.value], scored.asked[role.value]
        parts.append(f"{role.value:<14}{right:>7}{asked:>7}{right / asked:>8.4f}")
    parts.append(f"exams of another patient taken as comparable: {scored.cross_patient}")
    parts.append(f"matching among {EXAMS_OF_A_LONG_HISTORY} exams of one patient: {match_ms:.0f} ms")
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Run both parts, print the tables and write the figures."""
    tallies = {name: tally(labelled_lines(name)) for name in ("tuning", "held_out")}
    scored, match_ms = score_roles(HISTORIES, SEED), long_history_ms()
    wrong = [*scored.wrong, *tallies["held_out"]["all"].wrong_lines] if "-v" in arguments else []
    sys.stdout.write("\n".join([report(tallies, scored, match_ms), *wrong, ""]))
    held_out = tallies["held_out"]
    figures = {
        "histories": HISTORIES,
        "role_accuracy": round(scored.accuracy, 5),
        "cross_patient": scored.cross_patient,
        "match_ms": round(match_ms, 2),
        "text_lines": sum(len(labelled_lines(name)) for name in tallies),
        "text_precision": round(held_out["all"].precision, 4),
        "text_recall": round(held_out["all"].recall, 4),
        "text_levels_precision": round(held_out["levels"].precision, 4),
        "text_levels_recall": round(held_out["levels"].recall, 4),
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
