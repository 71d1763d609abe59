"""The routing script, run against an Orthanc made of dictionaries: what is sent, when it waits, what it remembers.

With the real Orthanc it is tested in tests/integration.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[4] / "orthanc" / "plumbline_router.py"


class OrthancError(Exception):
    pass


class FakeOrthanc(ModuleType):
    """The part of Orthanc's Python module that the script uses."""

    ChangeType = SimpleNamespace(ORTHANC_STARTED=1, STABLE_STUDY=2, ORTHANC_STOPPED=3)
    OrthancException = OrthancError

    def __init__(self):
        super().__init__("orthanc")
        self.properties, self.metadata, self.studies, self.changes = {}, {}, {}, []
        self.outcomes, self.sent, self.is_listening, self.warnings = [], [], True, []

    def GetGlobalProperty(self, number, default):
        return self.properties.get(number, default)

    def SetGlobalProperty(self, number, value):
        self.properties[number] = value

    def RestApiGet(self, path):
        if path == "/changes?last":
            return json.dumps({"Last": len(self.changes)})
        if path.startswith("/changes"):
            since = int(path.partition("since=")[2].partition("&")[0])
            return json.dumps({"Changes": self.changes[since:], "Done": True, "Last": len(self.changes)})
        if path.startswith("/jobs/"):
            return json.dumps(self.outcomes.pop(0))
        _, _, study, what, *name = path.split("/")
        if study not in self.studies:
            raise OrthancError(404)
        if what == "series":
            return json.dumps(self.studies[study])
        return (
            self.metadata[study] if name else json.dumps(["LastUpdate", *(["4010"] if study in self.metadata else [])])
        )

    def RestApiPost(self, path, body):
        if path.endswith("/echo"):
            if not self.is_listening:
                raise OrthancError(9)
            return "{}"
        self.sent.append(json.loads(body))
        return json.dumps({"ID": "job"})

    def RestApiPut(self, path, body):
        self.metadata[path.split("/")[2]] = body

    def RegisterOnChangeCallback(self, callback):
        self.callback = callback

    def LogInfo(self, text):
        pass

    def LogWarning(self, text):
        self.warnings.append(text)

    LogError = LogWarning


SUCCESS = {"State": "Success", "Content": {"FailedInstancesCount": 0}}
PARTLY = {"State": "Success", "Content": {"FailedInstancesCount": 1}}
FAILURE = {"State": "Failure", "Content": {}, "ErrorDetails": "cannot connect"}
REFUSED = {"State": "Failure", "Content": {}, "ErrorDetails": "C-STORE has failed with DIMSE status 0xc000"}
FULL = {"State": "Failure", "Content": {}, "ErrorDetails": "C-STORE has failed with DIMSE status 0xa700"}


def series(name, *instances, manufacturer="SIEMENS", modality="CT"):
    return {"ID": name, "Instances": instances, "MainDicomTags": {"Manufacturer": manufacturer, "Modality": modality}}


@pytest.fixture
def fake(monkeypatch):
    fake = FakeOrthanc()
    monkeypatch.setitem(sys.modules, "orthanc", fake)
    return fake


@pytest.fixture
def script(fake):
    spec = importlib.util.spec_from_file_location("plumbline_router", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def router(script, monkeypatch):
    router = script.Router()
    router.waits = []
    monkeypatch.setattr(router._stopping, "wait", router.waits.append)
    return router


def became_stable(fake, study, *content):
    fake.studies[study] = list(content)
    fake.changes.append({"Seq": len(fake.changes) + 1, "ChangeType": "StableStudy", "ID": study})


def test_a_stable_study_is_sent_and_the_position_kept(fake, router):
    became_stable(fake, "study", series("a", "1", "2"))
    fake.outcomes = [SUCCESS]
    router._drain()
    assert [order["Resources"] for order in fake.sent] == [["a"]]
    assert fake.properties[5467] == "1"


def test_what_was_delivered_is_not_sent_again_and_what_grew_is(fake, router):
    fake.outcomes = [SUCCESS, SUCCESS]
    became_stable(fake, "study", series("a", "1", "2"))
    router._drain()
    became_stable(fake, "study", series("a", "2", "1"))
    router._drain()
    became_stable(fake, "study", series("a", "1", "2"), series("b", "3"))
    router._drain()
    assert [order["Resources"] for order in fake.sent] == [["a"], ["b"]]


def test_our_own_series_are_never_sent(fake, router):
    own = series("r", "9", manufacturer="Plumbline", modality="SR")
    became_stable(fake, "study", own)
    router._drain()
    assert fake.sent == []


def test_an_absent_receiver_is_waited_for_with_growing_patience(fake, router):
    fake.is_listening = False
    became_stable(fake, "study", series("a", "1"))
    fake.outcomes = [FAILURE] * 8 + [SUCCESS]
    router._drain()
    waits = [seconds for seconds in router.waits if seconds >= 1]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert not any(order["Permissive"] for order in fake.sent)


def test_a_receiver_without_room_is_waited_for_too(fake, router):
    became_stable(fake, "study", series("a", "1"))
    fake.outcomes = [FULL, FULL, SUCCESS]
    router._drain()
    assert not any(order["Permissive"] for order in fake.sent)


def test_what_is_refused_for_its_content_does_not_hold_up_the_rest(fake, router):
    became_stable(fake, "study", series("a", "1", "2"))
    fake.outcomes = [REFUSED, PARTLY]
    router._drain()
    assert [order["Permissive"] for order in fake.sent] == [False, True]
    assert fake.properties[5467] == "1"
    assert any("refused" in text for text in fake.warnings)


def test_a_study_deleted_before_it_was_sent_is_passed_over(fake, router):
    became_stable(fake, "gone")
    del fake.studies["gone"]
    router._drain()
    assert fake.properties[5467] == "1"


def test_the_first_start_ever_leaves_history_alone(fake, script):
    became_stable(fake, "old", series("a", "1"))
    script.Router()._drain()
    assert fake.sent == []


def test_a_restart_goes_on_where_it_stopped(fake, script, router):
    became_stable(fake, "study", series("a", "1"))
    fake.outcomes = [SUCCESS]
    script.Router()._drain()
    assert len(fake.sent) == 1


def test_the_script_starts_with_orthanc(fake, script):
    fake.callback(fake.ChangeType.ORTHANC_STARTED, None, "")
    (router,) = script.running
    assert router.is_alive()
    fake.callback(fake.ChangeType.ORTHANC_STOPPED, None, "")
    assert not router.is_alive()
