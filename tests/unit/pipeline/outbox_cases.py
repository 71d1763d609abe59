"""Deliveries and destinations for tests of the outbox."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from plumbline.errors import Unavailable
from plumbline.pipeline.outbox import Delivery, DeliveryKind, NewDelivery
from plumbline.pipeline.outgoing import Finished, Routing, result_notice
from plumbline.pipeline.ports import ReportObject
from plumbline.testing import invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision

SR = ReportObject("2.25.1", "2.25.2", "1.2.840.10008.5.1.4.1.1.88.34", "sr", b"")


def finished(number: int = 1, revision: int = 1, *reasons: str, priority: str = "URGENT", objects=(SR,)) -> Finished:
    return Finished(
        study=invented_ct_study(number),
        revision=revision,
        patient_name="Example^Ada",
        decision=TriageDecision(Priority(priority), reasons or ("L4-L5: the spacer moved.",), ("spacer-migration",)),
        document={"findings": [{"check": "spacer-migration", "level": "L4-L5", "status": "positive", "reasons": []}]},
        objects=objects,
        workitem_uid=f"2.25.99{number}",
        completed_at=datetime(2026, 3, 1, 10, 0, tzinfo=UTC).isoformat(),
    )


def owed(number: int = 1, revision: int = 1, destination: str = "ris", kind=DeliveryKind.RESULT) -> NewDelivery:
    study = invented_ct_study(number)
    notice = result_notice(finished(number, revision), Routing({destination: kind}, "http://127.0.0.1:8080"))
    key = f"{kind.value}:{study.study_instance_uid}:{revision}"
    return NewDelivery(destination, kind, key, study.study_instance_uid, revision, notice)


def delivery(number: int = 1, **changes) -> Delivery:
    new = owed(number)
    from plumbline.pipeline.outbox import DeliveryState

    at = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    values = {
        "delivery_id": number,
        "destination": new.destination,
        "kind": new.kind,
        "key": new.key,
        "study_instance_uid": new.study_instance_uid,
        "revision": new.revision,
        "notice": new.notice,
        "state": DeliveryState.WAITING,
        "attempts": 1,
        "created_at": at,
        "not_before": at,
        **changes,
    }
    return Delivery(**values)


@dataclass
class RecordingDestination:
    """Keeps what it was sent by key; every repeat is counted, and has no second effect."""

    raises: Exception | None = None
    effects: dict[str, Delivery] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    loses_answers: bool = False

    def deliver(self, delivery, objects):
        self.calls.append(delivery.key)
        if self.raises is not None:
            raise self.raises
        self.effects[delivery.key] = delivery
        if self.loses_answers:
            raise Unavailable("the answer was lost")


@dataclass
class SilentDeliveryObserver:
    """Remembers outcomes."""

    told: list[str] = field(default_factory=list)

    def started(self, delivery):
        pass

    def delivered(self, delivery):
        self.told.append("sent")

    def not_delivered(self, delivery, sentence, *, is_dead):
        self.told.append("dead" if is_dead else "failed")
