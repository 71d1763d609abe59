"""Transactions on an embedded database: the threads of a process write in turn, and reading waits for none of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from plumbline.adapters.database import engine
from plumbline.adapters.database.engine import json_text, open_store
from plumbline.errors import Unavailable
from tests.postgresql import ONLY_ON_FILES

THREADS = 6


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.engine.dispose()


def count_one(store) -> None:
    with store.begin() as session:
        session.execute(text("UPDATE worklist_changes SET number = number + 1"))


@ONLY_ON_FILES
def test_the_threads_of_a_process_write_one_after_another(store):
    """So that none finds the database locked and sleeps: SQLite wakes sleepers late and in no order."""
    noted: list[str] = []
    event.listen(store.engine, "begin", lambda _: noted.append("begin"), insert=True)  # before the lock is asked for
    event.listen(store.engine, "commit", lambda _: noted.append("commit"))
    together = threading.Barrier(THREADS)

    def write() -> None:
        together.wait(30)
        count_one(store)

    with ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(write) for _ in range(THREADS)]:
            each.result()
    assert noted == ["begin", "commit"] * THREADS


@ONLY_ON_FILES
def test_a_thread_that_never_gets_its_turn_says_so_and_reading_goes_on(store, monkeypatch):
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_S", 0.01)
    with store.begin(), ThreadPoolExecutor(1) as other:
        with pytest.raises(Unavailable, match="written to for too long"):
            other.submit(count_one, store).result()
        other.submit(store.tell_missing).result()
    count_one(store)


def test_a_transaction_that_fails_gives_its_turn_to_the_next(store):
    with pytest.raises(ZeroDivisionError), store.begin():
        raise ZeroDivisionError
    count_one(store)


@pytest.mark.parametrize(
    ("document", "written"),
    [
        ({"a": "plain"}, '{"a": "plain"}'),
        ({"a": "Zoë"}, '{"a": "Zoë"}'),
        ({"a": "x\0y"}, '{"a": "xy"}'),
        ({"a": "é\0"}, '{"a": "é"}'),
        ({"a": "\ud800z"}, '{"a": "z"}'),
        ({"a": "\\u0000"}, r'{"a": "\\u0000"}'),
    ],
)
def test_json_is_written_so_that_both_databases_keep_it(document, written):
    assert json_text(document) == written
