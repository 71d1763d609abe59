"""Taking back at other systems what a later revision makes wrong.

Whoever was told of an exam is told what comes of it, whether or not the rules would still choose it: a corrected
result follows the first one, and where there is none any more, because the exam turns out not to be one of an
operated spine, what was told is withdrawn. Archives are told by a rejection note (IHE IOCM), the others by the
status of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plumbline.pipeline.outbox import TAKEN_BACK_KEY, Delivery, DeliveryKind, DeliveryState, NewDelivery
from plumbline.pipeline.outgoing import CANCELLED, PRELIMINARY, WITHDRAWN, Finished
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Step
from plumbline.pipeline.rejection import REJECTS, Decided, rejected_before, rejects_document
from plumbline.pipeline.withdrawal import KEY_OBJECTS
from plumbline.reports.rejection_note import RejectionReason
from plumbline.triage.priority import Priority

TAKEN_BACK = "Taken back: what was reported of this exam does not hold."
SUPERSEDED = "A later selection of this study takes the place of this one."
_STANDS = frozenset({DeliveryState.SENT, DeliveryState.WAITING})


def still_told(deliveries: Sequence[Delivery]) -> dict[str, list[Delivery]]:
    """What each destination may have of an exam and was not taken back since.

    Parameters
    ----------
    deliveries
        All of the exam, the oldest first.
    """
    told: dict[str, list[Delivery]] = {}
    for each in deliveries:
        if each.takes_back and each.state in _STANDS:
            told.pop(each.destination, None)
        elif not each.takes_back and each.may_have_arrived:
            told.setdefault(each.destination, []).append(each)
    return told


def superseded_selections(
    finished: Finished, told: Mapping[str, Sequence[Delivery]], ports: PathPorts, policy: SitePolicy
) -> dict[str, dict[str, Any]]:
    """By destination, the key object selections of earlier revisions that this one takes the place of.

    A report names the one that it replaces (Predecessor Documents Sequence), a selection has no such attribute.
    """
    uid = finished.study.study_instance_uid
    moment = datetime.fromisoformat(finished.completed_at).astimezone(policy.time_zone)
    decided = Decided(RejectionReason.SUPERSEDED, SUPERSEDED, finished.revision, moment, policy.device_uid)
    found = {}
    for name, letters in told.items():
        earlier = [each for each in letters if each.revision < finished.revision]
        selections = {
            each: revision
            for each, revision in _stored(earlier).items()
            if each in _selections_of(uid, revision, ports)
        }
        if selections:
            found[name] = rejects_document(decided, selections)
    return found


def take_back_elsewhere(step: Step, reasons: Sequence[str], ports: PathPorts, policy: SitePolicy) -> None:
    """Withdraw all that other systems were told of an exam that needs no report any more.

    A repeat changes nothing; an exam of which nobody was told is left alone.
    """
    uid, kinds = step.study_instance_uid, policy.routing.kinds
    if ports.outbox is None or step.revision <= 1 or not kinds:
        return
    now = ports.clock.now().astimezone(policy.time_zone)
    decided = Decided(
        RejectionReason.WITHDRAWN, " ".join([TAKEN_BACK, *reasons]), step.revision, now, policy.device_uid
    )

    def owed_after(deliveries: Sequence[Delivery]) -> list[NewDelivery]:
        return [
            NewDelivery(
                destination=name,
                kind=kinds[name],
                key=f"{kinds[name].value}:{uid}:{step.revision}{TAKEN_BACK_KEY}",
                study_instance_uid=uid,
                revision=step.revision,
                notice=_withdrawal(letters, reasons, decided),
            )
            for name, letters in still_told(deliveries).items()
        ]

    ports.outbox.take_back(uid, list(kinds), owed_after)


def _withdrawal(told: Sequence[Delivery], reasons: Sequence[str], decided: Decided) -> dict[str, Any]:
    """Notice that takes back what a destination was told; it is about the patient and the order that it named."""
    is_preliminary = all(each.notice["status"] == PRELIMINARY for each in told)
    notice = {
        **told[-1].notice,
        "revision": decided.revision,
        "status": CANCELLED if is_preliminary else WITHDRAWN,
        "completed_at": decided.at.isoformat(),
        "priority": Priority.ROUTINE.value,
        "reasons": [TAKEN_BACK, *reasons],
        "findings": [],
        "objects": [],
    }
    notice.pop(REJECTS, None)
    stored = _stored(told)
    return {**notice, REJECTS: rejects_document(decided, stored)} if stored else notice


def _stored(told: Sequence[Delivery]) -> dict[str, int]:
    """Revision by SOP Instance UID of the objects that a destination was sent and not told to hide since."""
    of_objects = [each for each in told if each.kind is DeliveryKind.OBJECTS]
    hidden = {uid for each in of_objects for uid in rejected_before(each.notice)}
    sent = {uid: each.revision for each in of_objects for uid in each.notice["objects"]}
    return {uid: revision for uid, revision in sent.items() if uid not in hidden}


def _selections_of(study_instance_uid: str, revision: int, ports: PathPorts) -> frozenset[str]:
    objects = ports.results.objects(study_instance_uid, revision)
    return frozenset(each.sop_instance_uid for each in objects if each.kind == KEY_OBJECTS)
