"""Step 2, complete: count what is held against what the archive says exists; silence only triggered the count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plumbline.errors import Unavailable
from plumbline.exams.completeness import Complete, CompletenessPolicy, Waiting, judge_completeness, revision_digest
from plumbline.pipeline.archive_ports import ArchiveInstance
from plumbline.pipeline.fetch import INDEX_DELAY_S
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import End, ExamState, PathPorts, Proceed, Step, StepOutcome, Wait
from plumbline.pipeline.reopening import what_changed
from plumbline.pipeline.studies import Basis, Declaration, StudyCount

BROKEN_AFTER_S = 120.0
"""How long an archive that fails on an instance is asked again for it: such a failure may pass."""
GIVEN_BACK = "The images of this study were given back to the archive; they are fetched again."


def complete(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Make the held instances a revision once every instance that the archive lists is accounted for.

    An instance in quarantine is accounted for, and said. Missing ones are waited for, then fetched. A person's
    word goes before the count. A study that the archive does not list is not waited for without end: after
    ``policy.unlisted_after_s`` of silence it is complete without the archive's confirmation, and says so.
    """
    uid = step.study_instance_uid
    held = {each.sop_instance_uid for each in ports.index.held(uid)}
    word = ports.studies.declaration(uid)
    if word is not None:
        return _begin_on_word(step, ports, policy, held, word)
    listed = [each for each in ports.archive.instances_of(uid) if not each.is_own]
    set_aside = ports.index.set_aside(each.sop_instance_uid for each in listed) - held
    if listed and not held | set_aside:
        missing = {each.sop_instance_uid for each in listed}
        return _fetch_missing(ports, listed, missing, _count(uid, held, set_aside, listed, GIVEN_BACK))
    quiet_s = (ports.clock.now() - ports.exams.exam(uid).last_instance_at).total_seconds()
    judged = judge_completeness(
        held | set_aside,
        {each.sop_instance_uid for each in listed},
        quiet_s=quiet_s,
        policy=CompletenessPolicy(quiet_period_s=0.0, fetch_missing_after_s=policy.fetch_missing_after_s),
    )
    count = _count(uid, held, set_aside, listed, _with_set_aside(judged.sentence, set_aside))
    match judged:
        case Complete():
            return _begin(step, ports, policy, held, replace(count, basis=Basis.ARCHIVE))
        case Waiting() if not listed and policy.unlisted_after_s is not None and quiet_s >= policy.unlisted_after_s:
            sentence = f"{judged.sentence} Taken as it is after {quiet_s:.0f} s, not confirmed by the archive."
            return _begin(step, ports, policy, held, replace(count, basis=Basis.NOT_CONFIRMED, sentence=sentence))
        case Waiting():
            ports.studies.counted(count, ports.clock.now())
            return Wait(policy.recount_after_s, judged.sentence)
    return _fetch_missing(ports, listed, set(judged.missing), count)


def _count(
    study_instance_uid: str, held: set[str], set_aside: set[str], listed: Sequence[ArchiveInstance], sentence: str
) -> StudyCount:
    missing = {each.sop_instance_uid for each in listed} - held - set_aside
    return StudyCount(study_instance_uid, len(held), len(listed) or None, len(missing), len(set_aside), sentence)


def _fetch_missing(
    ports: PathPorts, listed: Sequence[ArchiveInstance], missing: set[str], count: StudyCount
) -> StepOutcome:
    wanted = [each for each in listed if each.sop_instance_uid in missing]
    failed = ports.fetcher.fetch(wanted, broken_after_s=BROKEN_AFTER_S)
    if failed and failed >= missing:
        sentence = f"{len(failed)} instances that the archive lists cannot be fetched from it."
        ports.studies.counted(replace(count, sentence=f"{count.sentence} {sentence}"), ports.clock.now())
        ports.exams.stop_counting(count.study_instance_uid, instance_count=count.held)
        return End(ExamState.FAILED, sentence)
    ports.studies.counted(count, ports.clock.now())
    return Wait(INDEX_DELAY_S, count.sentence)


def _begin_on_word(step: Step, ports: PathPorts, policy: SitePolicy, held: set[str], word: Declaration) -> StepOutcome:
    """A person's word does not need the archive, which may be why it was given."""
    uid = step.study_instance_uid
    try:
        listed = [each for each in ports.archive.instances_of(uid) if not each.is_own]
    except Unavailable:
        listed = []
    set_aside = ports.index.set_aside(each.sop_instance_uid for each in listed) - held
    sentence = f"{len(held)} held, declared complete by {word.declared_by}: {word.reason}"
    count = replace(_count(uid, held, set_aside, listed, sentence), basis=Basis.PERSON)
    outcome = _begin(step, ports, policy, held, count)
    if isinstance(outcome, Proceed):
        ports.studies.went_by(word, outcome.result["revision"])
    return outcome


def _with_set_aside(sentence: str, set_aside: set[str]) -> str:
    return f"{sentence} {len(set_aside)} of them in quarantine." if set_aside else sentence


def _begin(step: Step, ports: PathPorts, policy: SitePolicy, held: set[str], count: StudyCount) -> StepOutcome:
    uid = step.study_instance_uid
    if not held:
        return End(ExamState.NOT_APPLICABLE, "Nothing usable of this study is held.")
    told = ports.news.unsettled(uid)
    changed = _what_news_changed(step, ports, policy, revision_digest(held)) if told else []
    revision = ports.exams.begin_revision(
        uid,
        digest=revision_digest(held),
        instance_count=len(held),
        completed_at=ports.clock.now(),
        reopened_from=step.revision - 1 if changed else None,
    )
    if told:
        outcome = f"Revision {revision}, for {', '.join(changed)}." if changed else "Nothing changed."
        ports.news.settle(uid, told.last, outcome)
    ports.studies.counted(count, ports.clock.now())
    basis = count.basis.value if count.basis else None
    return Proceed(
        {"revision": revision, "instances": len(held), "sentence": count.sentence, "basis": basis, "news": changed}
    )


def _what_news_changed(step: Step, ports: PathPorts, policy: SitePolicy, digest: str) -> list[str]:
    """What news changes for an exam that has a revision and has not grown; a new revision sees all news anyway."""
    exam = ports.exams.exam(step.study_instance_uid)
    if exam.revision == 0 or exam.revision >= step.revision or exam.revision_digest != digest:
        return []
    return what_changed(exam, ports, policy)
