"""Changes go before searches, and hold none up for long."""

import asyncio
import json
import threading

import pytest

from plumbline.worklist import tags
from plumbline.worklist.dataset import element
from plumbline.worklist.matching import Query
from services.worklist_api.ups import precedence
from services.worklist_api.ups.found import FoundAnswers

LONG_S = 60


@pytest.fixture
def uid(site) -> str:
    return site.add_reading(1)


def label(answer) -> str:
    return json.loads(answer.body)[0][tags.LABEL]["Value"][0]


async def search_during_a_change(found: FoundAnswers, uid: str, go_on: threading.Event, wait_for_search: bool) -> str:
    """Label that is found by a search that began while the change was under way."""
    began = threading.Event()

    def change() -> None:
        began.set()
        assert go_on.wait(LONG_S)
        found.worklist.update(uid, {tags.LABEL: element("LO", "Changed")})

    changing = asyncio.create_task(found.changes.of(change))
    await asyncio.to_thread(began.wait, LONG_S)
    searching = asyncio.create_task(found.answer(Query()))
    if wait_for_search:
        answer = await searching
    go_on.set()
    await changing
    answer = await searching
    return label(answer)


def test_a_search_waits_for_the_change_that_is_under_way(site, uid, monkeypatch):
    monkeypatch.setattr(precedence, "WAIT_AT_MOST_S", LONG_S)
    found = FoundAnswers(site.worklist)
    assert asyncio.run(search_during_a_change(found, uid, threading.Event(), wait_for_search=False)) == "Changed"


def test_a_change_that_takes_long_holds_no_search_up(site, uid):
    found = FoundAnswers(site.worklist)
    told = asyncio.run(search_during_a_change(found, uid, threading.Event(), wait_for_search=True))
    assert told == "ROUTINE: Nothing to report."


def test_a_change_that_is_refused_lets_searches_go_on(site, uid, monkeypatch):
    monkeypatch.setattr(precedence, "WAIT_AT_MOST_S", LONG_S)

    async def refused_then_searched() -> str:
        found = FoundAnswers(site.worklist)
        with pytest.raises(ZeroDivisionError):
            await found.changes.of(lambda: 1 / 0)
        return label(await asyncio.wait_for(found.answer(Query()), LONG_S / 2))

    assert asyncio.run(refused_then_searched()) == "ROUTINE: Nothing to report."
