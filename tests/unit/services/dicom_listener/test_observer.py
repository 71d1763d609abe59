"""What the listener says of itself: counts by sender, warnings for refusals, no patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import REGISTRY

from plumbline.pipeline.receive import Label, TakenIn
from services.dicom_listener.observer import LoggingListenerObserver, count_spool, count_taken_in

LABEL = Label("1.2.840.10008.5.1.4.1.1.2", "2.25.1", "1.2.840.10008.1.2", "CT_UNIT", datetime(2026, 3, 2, tzinfo=UTC))


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_instances_and_bytes_are_counted_by_sender_and_status():
    observer = LoggingListenerObserver(lambda: 12345, {"CT_UNIT"})
    before = value("plumbline_listener_instances_total", sender="CT_UNIT", status="A700")
    observer.stored(LABEL, 1000, 0xA700, 0.002)
    observer.stored(LABEL, 500, 0x0000, 0.001)
    assert value("plumbline_listener_instances_total", sender="CT_UNIT", status="A700") == before + 1
    assert value("plumbline_listener_bytes_total", sender="CT_UNIT") == 1500
    assert value("plumbline_listener_spool_free_bytes") == 12345


def test_open_associations_go_up_and_down():
    observer = LoggingListenerObserver(lambda: 1, {"CT_DOOR"})
    observer.opened("CT_DOOR")
    assert value("plumbline_listener_open_associations", sender="CT_DOOR") == 1
    observer.closed("CT_DOOR")
    assert value("plumbline_listener_open_associations", sender="CT_DOOR") == 0
    observer.rejected("CT_DOOR", "192.0.2.1", "not-allowed")
    assert value("plumbline_listener_rejected_associations_total", sender="CT_DOOR", reason="not-allowed") == 1


def test_all_who_are_not_known_are_one_sender():
    observer = LoggingListenerObserver(lambda: 1, {"CT_DOOR"})
    for n in range(50):
        observer.rejected(f"STRANGER{n}", "192.0.2.1", "too-many")
        observer.opened(f"STRANGER{n}")
        observer.stored(replace(LABEL, sender=f"STRANGER{n}"), 1, 0, 0.001)
    assert value("plumbline_listener_rejected_associations_total", sender="unknown", reason="too-many") == 50
    assert value("plumbline_listener_associations_total", sender="unknown") == 50
    assert value("plumbline_listener_instances_total", sender="unknown", status="0000") == 50
    senders = {sample.labels.get("sender") for metric in REGISTRY.collect() for sample in metric.samples}
    assert not any(str(sender).startswith("STRANGER") for sender in senders)


def test_what_is_set_aside_is_counted_by_sender_and_reason():
    count_taken_in(TakenIn({"quarantined": 2}, {("CT_UNIT", "truncated"): 2}))
    assert value("plumbline_listener_quarantined_total", sender="CT_UNIT", reason="truncated") == 2


def test_the_spool_s_use_and_room_are_told(tmp_path):
    (tmp_path / "one.segment").write_bytes(bytes(100_000))
    count_spool(tmp_path)
    assert value("plumbline_listener_spool_used_bytes") >= 100_000
    assert value("plumbline_listener_spool_free_bytes") > 0


def test_what_the_indexer_took_in_is_counted_by_outcome():
    before = value("plumbline_listener_indexed_total", outcome="new")
    count_taken_in(TakenIn({"new": 3}))
    assert value("plumbline_listener_indexed_total", outcome="new") == before + 3
