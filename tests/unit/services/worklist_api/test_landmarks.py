"""Landmarks over HTTP: kept with their author, on images that exist, and measured as the report would."""

import warnings
from types import SimpleNamespace

import pytest

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.news import DatabaseNews
from plumbline.adapters.database.outbox import DatabaseOutbox
from plumbline.adapters.database.overview import DatabaseOverview
from plumbline.adapters.database.patient_exams import DatabasePatientExams
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.tables import ExamRow, StepRow
from plumbline.errors import InvalidInput
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.recognition import ExamKind, Recognition
from plumbline.exams.series_roles import SeriesRole
from plumbline.pipeline.documents import recognition_document
from plumbline.testing import ManualClock, MemoryExamResults, MemoryWorkitems
from services.worklist_api.assembly import serve
from services.worklist_api.context import Context, Records

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette prefers a fork of httpx that is not a dependency here
    from fastapi.testclient import TestClient

STUDY, SERIES, IMAGE = "2.25.1", "2.25.1.1", "2.25.1.1.1"
ADDRESS = f"/api/exams/{STUDY}/landmarks"
WHO = {"X-Reader": "Ada Reader"}
PLACES = {
    "S1 superior endplate anterior": (130.0, 232.0),
    "S1 superior endplate posterior": (188.0, 206.0),
    "left femoral head centre": (112.0, 352.0),
    "right femoral head centre": (124.0, 356.0),
    "L1 superior endplate anterior": (104.0, 62.0),
    "L1 superior endplate posterior": (170.0, 54.0),
}


class Images:
    """An archive of one radiograph, 300 columns and 400 rows."""

    def __init__(self):
        self.attributes = {
            **{"0028,0010": "400", "0028,0011": "300", "0028,0100": "16", "0028,0101": "16", "0028,0102": "15"},
            **{"0008,0060": "DX", "0018,1164": "0.5\\0.5"},
        }
        self.is_emptied = False

    def series(self, study_instance_uid, series_instance_uid):
        if self.is_emptied or (study_instance_uid, series_instance_uid) != (STUDY, SERIES):
            raise InvalidInput("the archive does not have this series", where=series_instance_uid)
        return [SimpleNamespace(sop_instance_uid=IMAGE, attributes=self.attributes)]


@pytest.fixture
def site(tmp_path):
    store, clock = open_store(f"sqlite:///{tmp_path}/site.sqlite"), ManualClock()
    records = Records(
        DatabaseReaders(store, clock),
        DatabasePatientExams(store),
        DatabaseOverview(store, clock),
        DatabaseOutbox(store, clock),
        DatabaseNews(store, clock, IdentityPolicy()),
    )
    worklist, images = MemoryWorkitems(clock), Images()
    context = Context(
        worklist,
        worklist.store,
        MemoryExamResults(),
        clock.now,
        {},
        records=records,
        pixels=images,
        reader_header="X-Reader",
    )
    client = TestClient(serve(context), raise_server_exceptions=False)
    yield SimpleNamespace(client=client, records=records, images=images, store=store, clock=clock)
    store.engine.dispose()


def put(site, landmark, place, **changes):
    column, row = place
    body = {"series_instance_uid": SERIES, "sop_instance_uid": IMAGE, "name": landmark, "column": column, "row": row}
    return site.client.put(ADDRESS, json={**body, **changes}, headers=WHO)


def put_all(site):
    for name, place in PLACES.items():
        answer = put(site, name, place)
        assert answer.status_code == 200, answer.text
    return answer.json()


def recognise_as_standing(site):
    role = SeriesRole(SERIES, True, 1.0, "Radiograph.", projection="lateral", position="standing", modality="DX")
    recognition = Recognition(ExamKind.POSTOPERATIVE_SPINE, "DX", "lateral", "standing", (), (role,), ())
    now = site.clock.now()
    with site.store.begin() as session:
        exam = {"study_instance_uid": STUDY, "revision": 1}
        session.add(ExamRow(**exam, state="done", patient={}, sender="X", first_instance_at=now, last_instance_at=now))
        session.flush()
        result = {"recognition": recognition_document(recognition)}
        step = {
            "name": "recognise",
            "state": "done",
            "attempts": 1,
            "not_before": now,
            "rung_at": now,
            "created_at": now,
        }
        session.add(StepRow(**exam, **step, result=result))


def test_landmarks_come_back_with_their_author_and_what_they_measure(site):
    recognise_as_standing(site)
    told = put_all(site)
    assert {each["author"] for each in told["landmarks"]} == {"Ada Reader"}
    angles = {each["name"]: each["value_deg"] for each in told["measured"]["angles"]}
    assert angles["Pelvic incidence"] == pytest.approx(41.0, abs=0.1)
    assert angles["Pelvic incidence minus lordosis"] == pytest.approx(23.8, abs=0.1)
    assert told["measured"]["status"] == "positive"
    assert site.client.get(ADDRESS).json() == told


def test_an_exam_that_was_never_recognised_is_not_known_to_be_standing(site):
    told = put_all(site)["measured"]
    assert told["status"] == "indeterminate"
    assert "not known to be standing" in told["reasons"][0]


def test_without_landmarks_nothing_is_measured(site):
    assert site.client.get(ADDRESS).json() == {"landmarks": [], "measured": None}


def test_a_removed_landmark_is_gone_and_who_removed_it_is_kept(site):
    put_all(site)
    put(site, "left femoral head centre", (None, None))
    names = {each["name"] for each in site.client.get(ADDRESS).json()["landmarks"]}
    assert names == set(PLACES) - {"left femoral head centre"}
    assert site.records.readers.deeds(limit=1)[0].deed == "removed left femoral head centre"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"sop_instance_uid": "2.25.9"}, 404),
        ({"series_instance_uid": "2.25.9"}, 404),
        ({"column": 301.0}, 400),
        ({"row": 401.0}, 400),
        ({"name": "left ear"}, 400),
        ({"row": -1.0}, 400),
    ],
)
def test_a_landmark_that_is_on_no_image_is_refused_and_not_kept(site, changes, status):
    assert put(site, "left femoral head centre", (10.0, 10.0), **changes).status_code == status
    assert site.records.readers.landmarks(STUDY) == []


def test_nobody_sets_a_landmark_without_a_name(site):
    body = {"series_instance_uid": SERIES, "sop_instance_uid": IMAGE, "name": "left femoral head centre"}
    assert site.client.put(ADDRESS, json={**body, "column": 1.0, "row": 1.0}).status_code == 403


def test_landmarks_outlive_the_images_in_the_archive(site):
    put_all(site)
    site.images.is_emptied = True
    told = site.client.get(ADDRESS).json()
    assert len(told["landmarks"]) == len(PLACES)
    assert told["measured"] is None


def test_an_image_without_spacing_is_not_measured_and_says_so(site):
    del site.images.attributes["0018,1164"]
    told = put_all(site)["measured"]
    assert (told["status"], told["angles"]) == ("indeterminate", [])
    assert "no pixel spacing" in told["reasons"][0]


def test_only_an_exam_with_landmarks_is_reported_with_them(site):
    address = f"/exams/{STUDY}/landmarks/report"
    assert site.client.post(address, headers=WHO).status_code == 400
    put(site, "left femoral head centre", (10.0, 10.0))
    assert site.client.post(address, headers=WHO, follow_redirects=False).status_code == 303
    assert site.records.news.unsettled(STUDY).reasons == ("A reader set landmarks on its radiographs.",)
