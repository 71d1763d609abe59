"""Fetching: each instance once, again after a while, and those that cannot be had by name."""

from __future__ import annotations

import pytest

from plumbline.errors import Unavailable
from plumbline.pipeline.archive_ports import ArchiveInstance, FetchedInstance
from plumbline.pipeline.fetch import BROKEN_AT_ONCE, SENDER, Fetcher
from plumbline.testing import ManualClock, MemoryArchive, MemorySpool


class World:
    def __init__(self, *uids: str) -> None:
        self.clock = ManualClock()
        self.archive = MemoryArchive()
        self.archive.instances["2.25.1"] = [FetchedInstance(uid.encode(), "1.2", uid, "1.2.4") for uid in uids]
        self.spool = MemorySpool()
        self.fetcher = Fetcher(self.archive, self.spool, self.clock, again_after_s=120.0)

    def fetch(self, *uids: str) -> set[str]:
        return self.fetcher.fetch(ArchiveInstance(uid, "", uid) for uid in uids)

    @property
    def fetched(self) -> list[str]:
        return [each.sop_instance_uid for each in self.spool.appended]


def test_what_is_fetched_is_stored_as_the_archive_gave_it():
    world = World("1.1")
    assert world.fetch("1.1") == set()
    (stored,) = world.spool.appended
    assert stored == FetchedInstance(b"1.1", "1.2", "1.1", "1.2.4")


def test_the_archive_is_named_as_the_sender(monkeypatch):
    world, senders = World("1.1"), []
    original = world.spool.append
    monkeypatch.setattr(world.spool, "append", lambda *a, **k: (senders.append(k["sender"]), original(*a, **k))[1])
    world.fetch("1.1")
    assert senders == [SENDER]


def test_an_instance_on_its_way_is_not_fetched_again():
    world = World("1.1", "1.2")
    world.fetch("1.1")
    world.clock.advance(119)
    world.fetch("1.1", "1.2")
    assert world.fetched == ["1.1", "1.2"]


def test_an_instance_that_never_arrived_is_fetched_again_after_a_while():
    world = World("1.1")
    world.fetch("1.1")
    world.clock.advance(120)
    world.fetch("1.1")
    assert world.fetched == ["1.1", "1.1"]


def test_what_cannot_be_given_is_named_and_the_others_are_fetched():
    world = World("1.1", "1.3")
    assert world.fetch("1.1", "1.2", "1.3") == {"1.2"}
    assert world.fetched == ["1.1", "1.3"]


def test_an_archive_that_went_away_is_raised_and_what_came_before_is_kept():
    world = World("1.1", "1.2")
    world.fetch("1.1")
    world.archive.is_away = True
    with pytest.raises(Unavailable):
        world.fetch("1.1", "1.2")
    world.archive.is_away = False
    world.fetch("1.1", "1.2")
    assert world.fetched == ["1.1", "1.2"]


def fail_on(world, monkeypatch, *uids):
    """Make the archive fail on some instances; returns those it was asked for."""
    give, asked = world.archive.fetch, []

    def fetch(instance):
        asked.append(instance.sop_instance_uid)
        if instance.sop_instance_uid in uids:
            raise Unavailable("the archive failed")
        return give(instance)

    monkeypatch.setattr(world.archive, "fetch", fetch)
    return asked


def test_an_instance_that_the_archive_fails_on_does_not_keep_the_others_from_coming(monkeypatch):
    world = World("1.1", "1.2")
    fail_on(world, monkeypatch, "1.1")
    assert world.fetch("1.1", "1.2") == {"1.1"}
    assert world.fetched == ["1.2"]


def test_a_failure_may_pass_before_an_instance_counts_as_one_that_cannot_be_had(monkeypatch):
    world = World("1.1")
    asked = fail_on(world, monkeypatch, "1.1")
    wanted = [ArchiveInstance("1.1", "", "1.1")]
    for second in range(120):
        assert world.fetcher.fetch(wanted, broken_after_s=120.0) == set(), second
        world.clock.advance(1)
    assert world.fetcher.fetch(wanted, broken_after_s=120.0) == {"1.1"}
    assert len(asked) == 7, "every 20 seconds, however often a waiting step looks"


def test_an_archive_that_is_away_has_not_failed_on_the_instance_meanwhile(monkeypatch):
    world = World("1.1")
    world.archive.is_away = True
    with pytest.raises(Unavailable):
        world.fetch("1.1")
    world.archive.is_away = False
    world.clock.advance(600)
    fail_on(world, monkeypatch, "1.1")
    assert world.fetcher.fetch([ArchiveInstance("1.1", "", "1.1")], broken_after_s=120.0) == set()


def test_an_archive_that_fails_on_many_is_not_asked_for_each(monkeypatch):
    uids = [f"1.{number}" for number in range(40)]
    world = World(*uids)
    asked = fail_on(world, monkeypatch, *uids)
    assert world.fetch(*uids) == set(uids)
    assert len(asked) == BROKEN_AT_ONCE
