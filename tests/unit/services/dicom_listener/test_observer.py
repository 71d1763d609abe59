"""What the listener says of itself: counts by sender, warnings for refusals, no patient."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import REGISTRY

from plumbline.pipeline.receive import Label, TakenIn
from services.dicom_listener.observer import LoggingListenerObserver, count_taken_in

LABEL = Label("1.2.840.10008.5.1.4.1.1.2", "2.25.1", "1.2.840.10008.1.2", "CT_UNIT", datetime(2026, 3, 2, tzinfo=UTC))


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_instances_and_bytes_are_counted_by_sender_and_status():
    observer = LoggingListenerObserver(lambda: 12345)
    before = value("plumbline_listener_instances_total", sender="CT_UNIT", status="A700")
    observer.stored(LABEL, 1000, 0xA700, 0.002)
    observer.stored(LABEL, 500, 0x0000, 0.001)
    assert value("plumbline_listener_instances_total", sender="CT_UNIT", status="A700") == before + 1
    assert value("plumbline_listener_bytes_total", sender="CT_UNIT") == 1500
    assert value("plumbline_listener_spool_free_bytes") == 12345


def test_open_associations_go_up_and_down():
    observer = LoggingListenerObserver(lambda: 1)
    observer.opened("CT_DOOR")
    assert value("plumbline_listener_open_associations", sender="CT_DOOR") == 1
    observer.closed("CT_DOOR")
    assert value("plumbline_listener_open_associations", sender="CT_DOOR") == 0
    observer.rejected("CT_DOOR", "192.0.2.1", "not-allowed")
    assert value("plumbline_listener_rejected_associations_total", reason="not-allowed") >= 1


def test_what_the_indexer_took_in_is_counted_by_outcome():
    before = value("plumbline_listener_indexed_total", outcome="new")
    count_taken_in(TakenIn({"new": 3}))
    assert value("plumbline_listener_indexed_total", outcome="new") == before + 3
