"""The provisional priority to other systems: only where a rule asks, once, and never in the way of the result."""

from dataclasses import dataclass, field, replace

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.fhir.results_out import diagnostic_report
from plumbline.adapters.hl7.results_out import result_message
from plumbline.errors import Conflict
from plumbline.pipeline.outbox import Delivery, DeliveryKind, NewDelivery
from plumbline.pipeline.outgoing import Routing, deliveries
from plumbline.testing import ManualClock
from plumbline.triage.rule_file import read_rules
from tests.unit.pipeline.outbox_cases import RecordingDestination, finished
from tests.unit.pipeline.test_outbox import dispatcher_of, drain, states
from tests.unit.pipeline.test_triage import POLICY, ROUTINE_ORDER, World

KINDS = {"ris": DeliveryKind.RESULT, "pacs": DeliveryKind.OBJECTS}
ROUTING = Routing(KINDS, "http://127.0.0.1:8080")
RULES = """rules: [{name: flag, priority: STAT, says: x, when: {order.red_flags: {contains: cauda-equina}}}]
routing:
  - {name: red flags at once, to: [ris, pacs], when: {triage.stage: provisional, triage.priority: STAT}}
  - {name: results, to: [ris, pacs]}
"""


@dataclass
class RecordingOutbox:
    """Keeps what is owed."""

    owed: list[NewDelivery] = field(default_factory=list)

    def owe(self, owed):
        self.owed.extend(owed)


def policy(rules: str):
    return replace(POLICY, rules=read_rules(rules), routing=ROUTING)


def told(order: str, rules: str) -> list[NewDelivery]:
    world = World(order)
    world.ports.outbox = RecordingOutbox()
    world.provisional(policy(rules))
    return world.ports.outbox.owed


def test_a_provisional_priority_is_told_where_a_rule_asks_for_it():
    (owed,) = told(f"{ROUTINE_ORDER} Suspected cauda equina syndrome.", RULES)
    assert (owed.destination, owed.notice["status"], owed.notice["priority"]) == ("ris", "preliminary", "STAT")
    assert owed.notice["report"] is None
    assert owed.is_provisional


def test_it_is_not_told_where_none_does():
    assert told(ROUTINE_ORDER, RULES) == []
    without = RULES.replace("triage.stage: provisional, ", "")
    assert told(f"{ROUTINE_ORDER} Suspected cauda equina syndrome.", without) == []
    assert told(f"{ROUTINE_ORDER} Suspected cauda equina syndrome.", RULES.partition("routing")[0]) == []


def provisional(revision: int = 1) -> list[NewDelivery]:
    return deliveries(replace(finished(1, revision, objects=()), is_provisional=True), ["ris"], ROUTING)


def final(revision: int = 1) -> list[NewDelivery]:
    return deliveries(finished(1, revision), ["ris"], ROUTING)


@pytest.fixture
def outbox(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield DatabaseOutbox(store, ManualClock())
    store.engine.dispose()


def commit(outbox, owed):
    outbox.commit(owed[0].study_instance_uid, owed[0].revision, {}, owed)


def sent(outbox) -> list[Delivery]:
    destination = RecordingDestination()
    drain(dispatcher_of(outbox, destination, ManualClock()))
    return list(destination.effects.values())


def test_each_stage_of_each_revision_is_told_once_and_in_order(outbox):
    statuses = []
    for owe in (lambda: outbox.owe(provisional()), lambda: commit(outbox, final())):
        owe()
        owe()  # a step that is repeated
        statuses += [each.notice["status"] for each in sent(outbox)]
    outbox.owe(provisional(2))
    commit(outbox, final(2))
    statuses += [each.notice["status"] for each in sent(outbox)]
    assert statuses == ["preliminary", "final", "corrected"]


def test_a_provisional_priority_that_waits_gives_way_to_the_result_and_not_the_other_way_round(outbox):
    outbox.owe(provisional())
    commit(outbox, final())
    assert states(outbox) == ["superseded", "waiting"]
    outbox.owe(provisional(2))
    assert states(outbox) == ["superseded", "waiting", "waiting"]
    assert [each.notice["status"] for each in sent(outbox)] == ["final", "preliminary"]


def test_a_provisional_priority_is_not_sent_again_over_a_result(outbox):
    outbox.owe(provisional())
    sent(outbox)
    first = outbox.letters()[-1].delivery_id
    outbox.resend(first)
    sent(outbox)
    commit(outbox, final())
    with pytest.raises(Conflict, match="more of this exam"):
        outbox.resend(first)


def test_messages_say_that_it_is_preliminary():
    notice = provisional()[0].notice
    message = result_message(notice, message_id="A1", sent_at=ManualClock().now())
    assert str(message.segment("OBR")[25]) == "P"
    assert diagnostic_report(notice).status == "preliminary"
