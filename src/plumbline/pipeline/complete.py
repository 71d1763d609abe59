"""Step 2, complete: count what is held against what the archive says exists; silence only triggered the count."""

from __future__ import annotations

from plumbline.exams.completeness import Complete, CompletenessPolicy, Waiting, judge_completeness, revision_digest
from plumbline.pipeline.fetch import INDEX_DELAY_S
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import (
    End,
    ExamState,
    PathPorts,
    Proceed,
    Step,
    StepOutcome,
    Wait,
)
from plumbline.pipeline.reopening import what_changed


def complete(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Make the held instances a revision once every instance that the archive lists is accounted for.

    An instance in quarantine is accounted for, and said. Missing ones are waited for, then fetched.
    """
    uid = step.study_instance_uid
    held = {each.sop_instance_uid for each in ports.index.held(uid)}
    listed = [each for each in ports.archive.instances_of(uid) if not each.is_own]
    set_aside = ports.index.set_aside(each.sop_instance_uid for each in listed) - held
    exam = ports.exams.exam(uid)
    judged = judge_completeness(
        held | set_aside,
        {each.sop_instance_uid for each in listed},
        quiet_s=(ports.clock.now() - exam.last_instance_at).total_seconds(),
        policy=CompletenessPolicy(quiet_period_s=0.0, fetch_missing_after_s=policy.fetch_missing_after_s),
    )
    match judged:
        case Waiting():
            return Wait(policy.recount_after_s, judged.sentence)
        case Complete():
            return _begin(step, ports, policy, held, _with_set_aside(judged.sentence, set_aside))
    failed = ports.fetcher.fetch(each for each in listed if each.sop_instance_uid in judged.missing)
    if failed and failed >= set(judged.missing):
        return End(ExamState.FAILED, f"{len(failed)} instances that the archive lists cannot be fetched from it.")
    return Wait(INDEX_DELAY_S, judged.sentence)


def _with_set_aside(sentence: str, set_aside: set[str]) -> str:
    return f"{sentence} {len(set_aside)} of them in quarantine." if set_aside else sentence


def _begin(step: Step, ports: PathPorts, policy: SitePolicy, held: set[str], sentence: str) -> StepOutcome:
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
    return Proceed({"revision": revision, "instances": len(held), "sentence": sentence, "news": changed})


def _what_news_changed(step: Step, ports: PathPorts, policy: SitePolicy, digest: str) -> list[str]:
    """What news changes for an exam that has a revision and has not grown; a new revision sees all news anyway."""
    exam = ports.exams.exam(step.study_instance_uid)
    if exam.revision == 0 or exam.revision >= step.revision or exam.revision_digest != digest:
        return []
    return what_changed(exam, ports, policy)
