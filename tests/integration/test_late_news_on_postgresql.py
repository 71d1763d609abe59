"""Orders, merges and late references on PostgreSQL: the same rules as on SQLite, and messages side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from plumbline.exams.notices import MergeNotice, OrderStatus
from plumbline.pipeline.patient_ports import Envelope, Taken
from tests.unit.pipeline import test_late_news as rules
from tests.unit.pipeline.test_late_news import ADA, BASELINE, CURRENT, World, order


@pytest.fixture
def world(postgres_url) -> Iterator[World]:
    world = World(postgres_url)
    yield world
    world.store.engine.dispose()


@pytest.mark.parametrize(
    "rule",
    [
        rules.test_an_order_that_comes_late_makes_a_new_revision_with_its_red_flag,
        rules.test_an_order_that_says_nothing_new_runs_nothing_again,
        rules.test_a_baseline_that_is_completed_later_makes_a_new_revision,
        rules.test_merges_are_followed_over_several_steps_and_only_with_their_issuer,
    ],
    ids=lambda rule: rule.__name__,
)
def test_the_rules_hold(world, rule):
    rule(world)


def test_messages_about_one_order_and_the_same_message_side_by_side(world):
    world.receive(BASELINE, CURRENT)
    world.run()

    def take(number: int) -> Taken:
        text = ("Fever.", "Saddle anaesthesia.")[number % 2]
        notices = [order(text, CURRENT), MergeNotice(ADA, (("P2", "NORTH"),))]
        envelope = Envelope("hl7", "OMI^O23", "HIS", str(number % 8), f"message {number % 8}".encode())
        return world.intake.take_in(envelope, notices).outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(take, range(24)))
    assert outcomes.count(Taken.APPLIED) == 8
    assert outcomes.count(Taken.DUPLICATE) == 16
    (current,) = world.orders.concerning(CURRENT)
    assert current.status is OrderStatus.ACTIVE
    assert world.patients.linked(ADA) == (("P2", "NORTH"),)
    assert len(world.intake.messages()) == 8
    assert world.orders.concerning(replace(CURRENT, patient=replace(ADA, patient_id="P2"))) == (current,)
