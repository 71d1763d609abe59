"""Answers held ready: the same as a search gives, never older than what was stored before the request."""

import asyncio
import gzip
import threading
from datetime import UTC, datetime

import httpx
import pytest

from plumbline.worklist import tags
from plumbline.worklist.dataset import element
from plumbline.worklist.matching import Query
from plumbline.worklist.rendering import rendered
from plumbline.worklist.workitem import Edition
from services.worklist_api.ups import found, pieces

SEARCH = "/dicom-web/workitems"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_ready_answer_is_what_the_workitem_says(client, site):
    uid = site.add_reading(1, "STAT")
    answer = client.get(SEARCH)
    assert answer.content == b"[" + rendered(site.worklist.retrieve(uid).dataset) + b"]"
    assert list(answer.json()[0]) == sorted(answer.json()[0])


def test_a_change_is_in_the_next_answer(client, site):
    uid = site.add_reading(1)
    assert client.get(SEARCH).json()[0][tags.LABEL]["Value"] == ["ROUTINE: Nothing to report."]
    site.worklist.update(uid, {tags.LABEL: element("LO", "Changed")})
    assert client.get(SEARCH).json()[0][tags.LABEL]["Value"] == ["Changed"]


def test_an_unchanged_worklist_is_searched_once(client, site, monkeypatch):
    site.add_reading(1)
    searches = []
    search = site.worklist.search_rendered
    monkeypatch.setattr(
        site.worklist, "search_rendered", lambda query, held: searches.append(query) or search(query, held)
    )
    answers = {client.get(SEARCH).content for _ in range(5)}
    assert (len(searches), len(answers)) == (1, 1)


def test_a_reader_that_has_the_answer_is_told_so_until_it_changes(client, site):
    uid = site.add_reading(1)
    tag = client.get(SEARCH).headers["etag"]
    same = client.get(SEARCH, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    site.worklist.update(uid, {tags.LABEL: element("LO", "Changed")})
    assert client.get(SEARCH, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("identity", None), ("gzip;q=0", None), ("", None)])
def test_it_is_compressed_for_those_who_accept_that(client, site, accepted, coding):
    site.add_reading(1)
    with client.stream("GET", SEARCH, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    plain = gzip.decompress(raw) if coding else raw
    assert plain.startswith(b"[{")


def test_other_attributes_are_still_to_be_had(client, site):
    site.add_reading(1)
    assert tags.MODIFIED not in client.get(SEARCH).json()[0]
    assert tags.MODIFIED in client.get(SEARCH, params={"includefield": "all"}).json()[0]


def test_kept_answers_take_a_limited_number_and_memory(client, site, monkeypatch):
    monkeypatch.setattr(found, "KEPT_ANSWERS", 3)
    site.add_reading(1)
    for limit in range(1, 9):
        assert client.get(SEARCH, params={"limit": limit}).status_code == 200
    kept = client.app.state.found_answers
    assert len(kept._answers) == 3
    monkeypatch.setattr(pieces, "KEPT_BYTES", 1)
    client.get(SEARCH, params={"limit": 20})
    assert not kept._answers


def test_readers_at_once_are_never_told_less_than_was_stored_before_they_asked(site):
    uids = [site.add_reading(number) for number in range(1, 6)]
    told = []

    async def read(client):
        for _ in range(10):
            stored = site.worklist.retrieve(uids[0]).version
            answer = (await client.get(SEARCH, params={"includefield": tags.LABEL})).json()
            label = answer[0][tags.LABEL]["Value"][0]
            told.append((stored, int(label.rpartition(" ")[2]) if label.startswith("Change") else 1))
            assert [each[tags.SOP_INSTANCE_UID]["Value"][0] for each in answer] == uids

    async def write():
        for number in range(2, 30):
            await asyncio.to_thread(site.worklist.update, uids[0], {tags.LABEL: element("LO", f"Change {number}")})

    async def together():
        transport = httpx.ASGITransport(site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worklist") as client:
            await asyncio.gather(write(), *(read(client) for _ in range(8)))

    asyncio.run(together())
    assert len(told) == 80
    assert all(shown >= stored for stored, shown in told)


def test_an_answer_that_a_change_leaves_alone_is_not_made_again(client, site):
    site.add_reading(1, "STAT")
    routine = site.add_reading(2)
    urgent = {"ScheduledProcedureStepPriority": "HIGH"}
    tag = client.get(SEARCH, params=urgent).headers["etag"]
    kept = client.app.state.found_answers
    (answer,) = (answer for _, answer in kept._answers.values())
    site.worklist.update(routine, {tags.LABEL: element("LO", "Changed")})
    assert client.get(SEARCH, params=urgent).headers["etag"] == tag
    assert [each for _, each in kept._answers.values()] == [answer]
    assert next(iter(kept._answers.values()))[1] is answer


@pytest.mark.parametrize("datasets", [(), (b"{}",), (b'{"a":1}', b'{"b":2}', b'{"a":1}')])
def test_pieces_compressed_apart_are_one_body(datasets):
    editions = tuple(Edition(f"2.25.{number}", 1, NOON) for number, _ in enumerate(datasets))
    answer = pieces.Answer.of(editions, [pieces.Piece.of(each) for each in datasets], has_more=False)
    assert answer.body == b"[" + b",".join(datasets) + b"]"
    assert gzip.decompress(answer.compressed) == answer.body


def test_pieces_given_up_for_want_of_memory_are_made_again(client, site, monkeypatch):
    site.add_reading(1)
    first = client.get(SEARCH).json()
    monkeypatch.setattr(pieces, "KEPT_BYTES", 1)
    site.add_reading(2)
    assert client.get(SEARCH).json()[:1] == first
    assert len(client.get(SEARCH, params={"limit": 50}).json()) == 2


def test_searches_that_find_the_same_share_one_answer(client, site):
    site.add_reading(1)
    tags_told = {client.get(SEARCH, params=each).headers["etag"] for each in ({}, {"ProcedureStepState": "SCHEDULED"})}
    kept = client.app.state.found_answers
    assert len(tags_told) == 1
    assert len({id(answer) for _, answer in kept._answers.values()}) == 1


def test_a_reader_is_never_given_what_was_begun_for_others_before_it_asked(site):
    uid = site.add_reading(1)
    kept = found.FoundAnswers(site.worklist)
    begun, go_on, search = threading.Event(), threading.Event(), site.worklist.search_rendered

    def slowly(query, held):
        page = search(query, held)
        begun.set()
        assert go_on.wait(10)
        return page

    async def ask_twice():
        site.worklist.search_rendered = slowly
        first = asyncio.create_task(kept.answer(Query()))
        await asyncio.to_thread(begun.wait, 10)
        site.worklist.update(uid, {tags.LABEL: element("LO", "Changed")})
        second = asyncio.create_task(kept.answer(Query()))
        await asyncio.sleep(0)
        go_on.set()
        return await first, await second

    before, after = asyncio.run(ask_twice())
    assert b"Changed" not in before.body
    assert b"Changed" in after.body


@pytest.mark.parametrize("parameters", [{"limit": "x"}, {"NoSuchAttribute": "1"}])
def test_what_is_wrong_with_a_search_is_told_by_the_long_way(client, parameters):
    answer = client.get(SEARCH, params=parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_searches_are_counted_by_their_route_and_carry_the_usual_headers(client, site):
    site.add_reading(1)
    answer = client.get(SEARCH)
    assert answer.headers["cache-control"] == "no-store"
    counted = 'plumbline_api_requests_total{method="GET",route="/dicom-web/workitems",status="200"}'
    assert counted in client.get("/metrics").text
