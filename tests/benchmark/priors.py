"""``make bench-priors``: reading labelled spine text, choosing references in made-up histories, matching among many.

Prints tables for people and writes the same figures to ``build/figures/priors.json``. ``-v`` lists what went wrong.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from matching import (
    STUDIES_IN_ORTHANC,
    STUDIES_IN_THE_DATABASE,
    STUDIES_OF_THE_PATIENT,
    Matching,
    in_orthanc,
    in_the_database,
)
from patient_histories import PatientHistory, histories
from spine_text_accuracy import FIELDS, HELD_OUT, Tally, labelled_lines, table, tally

from plumbline.exams.history import SurgicalHistory, history_from_studies
from plumbline.exams.identity import IdentityPolicy, same_patients
from plumbline.exams.recognition import recognise
from plumbline.priors.choice import Candidate, PriorPolicy, ReferenceChoice, Role
from plumbline.priors.matching import choose_references

HISTORIES = 1000
SEED = 20260601
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


@dataclass(frozen=True)
class Times:
    """Matching with few studies, with many in the database, and on a real archive."""

    alone: Matching
    in_the_database: Matching
    in_orthanc: Matching


def report(tallies: dict[str, dict[str, Tally]], scored: RoleScore, times: Times) -> str:
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
    parts.append(f"\nMatching an exam whose patient has {STUDIES_OF_THE_PATIENT} studies")
    parts.append(f"{'studies':<28}{'own ms':>8}{'wall ms':>9}{'queries':>9}")
    for name, one in (
        ("of the patient only", times.alone),
        (f"{STUDIES_IN_ORTHANC} in Orthanc", times.in_orthanc),
        (f"{STUDIES_IN_THE_DATABASE} in the database", times.in_the_database),
    ):
        queries = one.archive_queries or ""
        parts.append(f"{name:<28}{one.own_ms:>8.0f}{one.wall_ms:>9.0f}{queries:>9}")
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Run both parts, print the tables and write the figures."""
    tallies = {name: tally(labelled_lines(name)) for name in ("tuning", *HELD_OUT)}
    scored = score_roles(HISTORIES, SEED)
    times = Times(in_the_database(0), in_the_database(STUDIES_IN_THE_DATABASE), in_orthanc())
    wrong = [*scored.wrong, *tallies["held_out"]["all"].wrong_lines] if "-v" in arguments else []
    sys.stdout.write("\n".join([report(tallies, scored, times), *wrong, ""]))
    held_out = tallies["held_out"]
    figures = {
        "histories": HISTORIES,
        "role_accuracy": round(scored.accuracy, 5),
        "cross_patient": scored.cross_patient,
        "archive_queries": times.in_orthanc.archive_queries,
        "match_ms": round(times.alone.own_ms, 1),
        "match_ms_at_2000": round(times.in_orthanc.own_ms, 1),
        "match_ms_at_100000": round(times.in_the_database.own_ms, 1),
        "match_wall_ms_at_2000": round(times.in_orthanc.wall_ms, 1),
        "text_lines": sum(len(labelled_lines(name)) for name in tallies),
        "text_precision": round(held_out["all"].precision, 4),
        "text_recall": round(held_out["all"].recall, 4),
        **{f"text_{name}_precision": round(held_out[name].precision, 4) for name in FIELDS},
        **{f"text_{name}_recall": round(held_out[name].recall, 4) for name in FIELDS},
        **{
            f"text_{name}_{what}": round(getattr(tallies[name]["all"], what), 4)
            for name in HELD_OUT[1:]
            for what in ("precision", "recall")
        },
    }
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
