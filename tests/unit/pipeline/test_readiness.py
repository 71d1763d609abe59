"""Canaries on a real store: what is sent when, and what a silent queue is said to lack."""

from __future__ import annotations

import pytest

from plumbline.adapters.database.canaries import DatabaseCanaries
from plumbline.adapters.database.engine import open_store
from plumbline.errors import Unavailable
from plumbline.pipeline.readiness import QUEUES, QueueProbe, send_canaries
from plumbline.testing import ManualClock

WITHIN_S = {"path": 20.0, "measure": 180.0}


class Post:
    """Queues whose workers answer at once, or are away."""

    def __init__(self, canaries, clock):
        self.canaries, self.clock = canaries, clock
        self.away: set[str] = set()
        self.sent: list[str] = []
        self.is_down = False

    def send(self, queue, sent_at):
        if self.is_down:
            raise Unavailable("the message broker does not answer")
        self.sent.append(queue)
        if queue not in self.away:
            self.canaries.returned(queue, sent_at, self.clock.now())


class World:
    def __init__(self, url):
        self.store, self.clock = open_store(url), ManualClock()
        self.canaries = DatabaseCanaries(self.store)
        self.post = Post(self.canaries, self.clock)

    def beat(self, times=1, every_s=5.0):
        for _ in range(times):
            self.clock.advance(every_s)
            send_canaries(self.canaries, self.post, self.clock, within_s=WITHIN_S)

    def probe(self, queue):
        QueueProbe(self.canaries, self.clock, queue, WITHIN_S[queue]).tell_missing()


@pytest.fixture
def world(tmp_path):
    world = World(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield world
    world.store.engine.dispose()


def test_a_queue_through_which_a_canary_came_lately_is_ready(world):
    world.beat()
    assert [world.probe(queue) for queue in QUEUES] == [None, None]


def test_before_the_first_canary_nothing_is_ready(world):
    with pytest.raises(Unavailable, match="no canary was ever sent through the queue 'measure'"):
        world.probe("measure")


def test_a_queue_without_workers_is_named_within_its_limit_and_the_other_stays_ready(world):
    world.beat()
    world.post.away.add("path")
    world.beat(times=4)
    world.probe("path")
    world.beat()
    with pytest.raises(
        Unavailable, match="nothing has come through the queue 'path' for 25 s, and 20 s is the limit"
    ) as told:
        world.probe("path")
    assert "the workers of 'path' are away, or busy" in str(told.value)
    world.probe("measure")


def test_a_queue_that_never_answered_is_said_so(world):
    world.post.away.add("measure")
    world.beat()
    with pytest.raises(Unavailable, match="nothing has come through the queue 'measure' yet"):
        world.probe("measure")


def test_when_nobody_sends_canaries_that_is_what_is_said(world):
    world.beat()
    world.clock.advance(300)
    with pytest.raises(Unavailable, match="None was sent since: beat, the broker or the workers of 'path'"):
        world.probe("measure")


def test_a_dead_queue_is_not_filled_with_canaries(world):
    world.post.away.add("measure")
    world.beat(times=100)
    assert world.post.sent.count("measure") == 3  # at once, and again whenever one is overdue
    assert world.post.sent.count("path") == 100


def test_a_queue_is_ready_again_when_its_workers_are_back(world):
    world.post.away.add("path")
    world.beat(times=10)
    world.post.away.clear()
    world.beat(times=5)
    world.probe("path")
    assert world.canaries.all()["path"].round_trip_s == 0.0


def test_a_broker_that_is_down_is_told_to_the_caller_and_nothing_comes_through(world):
    world.post.is_down = True
    with pytest.raises(Unavailable, match="broker"):
        world.beat()
    assert world.canaries.all()["path"].returned_at is None
