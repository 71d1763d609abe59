"""Giving images back: only of exams that are over and safe in the archive; a segment only when nothing points to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from plumbline.pipeline.retention import CURSOR, Reclaimer, release_safe

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def named(*uids):
    return [SimpleNamespace(sop_instance_uid=uid) for uid in uids]


@dataclass
class Ledger:
    """``Retention`` and as much of ``InstanceIndex`` as is used here, on dictionaries."""

    held_uids: dict[str, list[str]]
    referenced: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)

    def over(self, *, quiet_since, after, limit):
        return [uid for uid in sorted(self.held_uids) if uid > after][:limit]

    def release(self, study_instance_uid, sop_instance_uids, *, quiet_since):
        return len(set(self.held_uids.pop(study_instance_uid)) & set(sop_instance_uids))

    def held(self, uid):
        return named(*self.held_uids[uid])

    def cursor(self, name):
        return self.cursors.get(name)

    def set_cursor(self, name, value):
        self.cursors[name] = value

    def referenced_segments(self):
        return self.referenced

    def finished_segments(self):
        return set(self.finished)

    def forget_segment(self, segment):
        self.finished.discard(segment)


@dataclass
class Archive:
    listed: dict[str, list[str]]

    def instances_of(self, uid):
        return named(*self.listed.get(uid, []))


def test_only_what_the_archive_lists_to_the_last_instance_is_released():
    ledger = Ledger({"1.1": ["a", "b"], "1.2": ["c", "d"], "1.3": ["e"]})
    archive = Archive({"1.1": ["a", "b", "our-report"], "1.2": ["c"]})
    report = release_safe(ledger, ledger, archive, quiet_since=NOON)
    assert (report.studies, report.instances, report.unsafe) == (1, 2, ("1.2", "1.3"))
    assert ledger.held_uids == {"1.2": ["c", "d"], "1.3": ["e"]}


def test_a_pass_goes_on_where_the_last_one_stopped_and_begins_again_at_the_end():
    ledger = Ledger({f"1.{n}": ["x"] for n in range(1, 6)})
    looked_at = []
    for _ in range(4):
        looked_at.append(release_safe(ledger, ledger, Archive({}), quiet_since=NOON, limit=2).unsafe)
    assert looked_at == [("1.1", "1.2"), ("1.3", "1.4"), ("1.5",), ("1.1", "1.2")]
    assert ledger.cursors[CURSOR] == "1.2"


@dataclass
class Files:
    sizes: dict[str, int]

    def segments(self):
        return list(self.sizes)

    def remove(self, segment):
        return self.sizes.pop(segment)


def test_a_segment_is_removed_when_it_is_finished_and_nothing_has_pointed_to_it_for_a_while():
    now = [0.0]
    files = Files({"used": 1, "free": 10, "growing": 100})
    ledger = Ledger({}, referenced={"used"}, finished={"used", "free", "long-gone"})
    reclaimer = Reclaimer(files, ledger, settle_s=600, clock=lambda: now[0])
    assert reclaimer.reclaim() == 0
    assert ledger.finished == {"used", "free"}, "what is no more is forgotten"
    now[0] = 599
    assert reclaimer.reclaim() == 0
    now[0] = 600
    assert reclaimer.reclaim() == 10
    assert files.sizes == {"used": 1, "growing": 100}
    assert ledger.finished == {"used"}


def test_a_segment_that_is_pointed_to_again_waits_anew():
    now = [0.0]
    files = Files({"free": 10})
    ledger = Ledger({}, finished={"free"})
    reclaimer = Reclaimer(files, ledger, settle_s=600, clock=lambda: now[0])
    reclaimer.reclaim()
    now[0], ledger.referenced = 400, {"free"}
    reclaimer.reclaim()
    now[0], ledger.referenced = 700, set()
    assert reclaimer.reclaim() == 0
    now[0] = 1300
    assert reclaimer.reclaim() == 10
