"""The indexer: one at a time works on a spool, and a second one stands by until the first is gone."""

from __future__ import annotations

import threading

from plumbline.stopping import Stop
from services.dicom_listener import indexer
from services.dicom_listener.indexer import _only_one


def test_a_second_indexer_waits_until_the_first_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(indexer, "RETRY_S", 0.01)
    order = []
    first_may_go, second_waits = threading.Event(), threading.Event()

    def second():
        second_waits.set()
        with _only_one(tmp_path, Stop()):
            order.append("second")

    with _only_one(tmp_path, Stop()):
        thread = threading.Thread(target=second)
        thread.start()
        assert second_waits.wait(5)
        first_may_go.wait(0.05)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_one_that_stands_by_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(indexer, "RETRY_S", 0.01)
    stop = Stop()
    with _only_one(tmp_path, Stop()):
        threading.Timer(0.05, lambda: setattr(stop, "is_set", True)).start()
        with _only_one(tmp_path, stop):
            assert stop.is_set
