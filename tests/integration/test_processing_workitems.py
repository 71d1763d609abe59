"""Processing workitems as others play with them: pull over DICOM, triggered pull over the event channel, push.

The other performer, manager and watcher are pynetdicom's UPS user and a web client; the path's steps are stood in for
by functions, for what they do to images is not asked here.
"""

import pytest

from plumbline.adapters.dimse.dicom_json import from_json, to_json
from plumbline.adapters.dimse.ups_scp import PULL, PUSH
from plumbline.pipeline.ports import End, ExamState, StepName, Wait
from plumbline.pipeline.processing import PROCESSED_ELSEWHERE, accept_pushed
from plumbline.pipeline.worklist_entry import workitem_of
from plumbline.testing import MemoryTaskBook
from plumbline.worklist import tags
from plumbline.worklist.dataset import coded, element, sequence, text
from plumbline.worklist.foreign import for_creation
from plumbline.worklist.states import State
from plumbline.worklist.subscriptions import FILTERED
from plumbline.worklist.tasks import task_of_reading
from tests.integration.test_ups_both_faces import WEB, BothFaces
from tests.unit.pipeline.test_processing import POLICY, STATION, TASK, UID, World

LOCK = "2.25.100"
BY_STATION = {"ScheduledStationNameCodeSequence.CodeValue": STATION.ae_title}


@pytest.fixture
def faces():
    both = BothFaces()
    yield both
    both.close()


@pytest.fixture
def world(faces) -> World:
    world = World(faces.worklist, MemoryTaskBook(), faces.clock)
    world.offer()
    return world


def test_pull_another_performer_finds_claims_and_completes_the_task_over_dicom(faces, world):
    wanted = {
        tags.STATION_NAMES: sequence({tags.CODE_VALUE: element("SH", STATION.ae_title)}),
        tags.STATE: element("CS"),
    }
    answers = [(status.Status, found) for status, found in faces.scu.send_c_find(from_json(wanted), PULL)]
    found = [to_json(dataset) for status, dataset in answers if status == 0xFF00]
    assert [(text(each, tags.SOP_INSTANCE_UID), text(each, tags.STATE)) for each in found] == [(TASK, "SCHEDULED")]
    assert faces.change_state("dimse", TASK, "IN PROGRESS", LOCK) == 0
    assert isinstance(world.run(StepName.MATCH), Wait)
    assert faces.update("dimse", TASK, LOCK) == 0
    assert faces.change_state("dimse", TASK, "COMPLETED", LOCK) == 0
    assert world.run(StepName.MATCH) == End(ExamState.DONE, PROCESSED_ELSEWHERE)
    assert StepName.MATCH not in world.done


def test_triggered_pull_a_web_subscriber_is_told_of_the_task_and_claims_it(faces, world):
    assert faces.web.post(f"{WEB}/{FILTERED}/subscribers/HELPER", params=BY_STATION).status_code == 201
    with faces.web.websocket_connect("/dicom-web/subscribers/HELPER") as channel:
        world.push("2.25.901")
        told = channel.receive_json()
    assert told["00001000"]["Value"] == ["2.25.901"]
    assert faces.change_state("web", "2.25.901", "IN PROGRESS", LOCK) == 200
    assert faces.update("web", "2.25.901", LOCK) == 200
    assert faces.change_state("web", "2.25.901", "COMPLETED", LOCK) == 200


def test_push_what_another_manager_schedules_for_us_is_performed(faces, world):
    reading = faces.worklist.retrieve(workitem_of(UID)).dataset
    task = task_of_reading(reading, workitem_uid="2.25.901", station=STATION)
    task[tags.WORKITEM_CODE] = sequence(coded("110001", "DCM", "Image Processing"))
    status, _ = faces.scu.send_n_create(from_json(for_creation(task)), PUSH, "2.25.901")
    assert status.Status == 0
    assert accept_pushed(world.ports, POLICY) == 1
    world.run(StepName.MATCH)
    assert faces.state("dimse", "2.25.901") == State.IN_PROGRESS.value
    assert faces.change_state("dimse", "2.25.901", "COMPLETED", LOCK) == 0xC301
    world.run(StepName.PUBLISH)
    assert {faces.state(face, "2.25.901") for face in ("dimse", "web")} == {State.COMPLETED.value}


def test_a_watcher_sees_the_task_and_never_its_lock(faces, world):
    world.run(StepName.MATCH)
    assert faces.state("web", TASK) == "IN PROGRESS"
    assert tags.TRANSACTION_UID not in faces.web.get(f"{WEB}/{TASK}").json()[0]
