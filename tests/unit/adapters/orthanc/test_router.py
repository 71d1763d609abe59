"""The routing script, run against an Orthanc made of dictionaries: what is sent, when it waits, what it remembers.

With the real Orthanc it is tested in tests/integration.
"""

from __future__ import annotations

import hashlib
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
        self.descriptions = {}
        self.sent, self.received, self.warnings = [], [], []
        self.is_listening, self.refused, self.troubles = True, {}, []

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
            return json.dumps(self.outcome)
        return self._of_a_study(*path.split("/")[2:])

    def _of_a_study(self, study, *what):
        if study not in self.studies:
            raise OrthancError(404)
        match what:
            case []:
                return json.dumps({"MainDicomTags": {"StudyDescription": self.descriptions.get(study, "")}})
            case ["series"]:
                return json.dumps(self.studies[study])
            case ["metadata"]:
                return json.dumps(["LastUpdate", *self.metadata.get(study, {})])
            case _:
                return self.metadata[study][what[-1]]

    def RestApiPost(self, path, body):
        if path.endswith("/echo"):
            if not self.is_listening:
                raise OrthancError(9)
            return "{}"
        self.sent.append(json.loads(body)["Resources"])
        self.outcome = self._store(self.sent[-1])
        return json.dumps({"ID": "job"})

    def _store(self, instances):
        """As a job that is not permissive: it stops at the first instance that is not taken."""
        if self.troubles:
            return {"State": "Failure", "Content": {}, "ErrorDetails": self.troubles.pop(0)}
        for instance in instances:
            if instance in self.refused:
                return {"State": "Failure", "Content": {}, "ErrorDetails": self.refused[instance]}
            self.received.append(instance)
        return {"State": "Success", "Content": {"FailedInstancesCount": 0}}

    def RestApiPut(self, path, body):
        _, _, study, _, number = path.split("/")
        self.metadata.setdefault(study, {})[number] = body

    def RestApiDelete(self, path):
        _, _, study, _, number = path.split("/")
        del self.metadata[study][number]

    def RegisterOnChangeCallback(self, callback):
        self.callback = callback

    def LogInfo(self, text):
        pass

    def LogWarning(self, text):
        self.warnings.append(text)

    LogError = LogWarning


AWAY = "Error in the network protocol: cannot connect"
REFUSED = 'C-STORE SCU to AET "PLUMBLINE" has failed with DIMSE status 0xC000'
NOT_NEGOTIATED = "No valid presentation context was negotiated for SOP class UID [1.2.3]"
FULL = 'C-STORE SCU to AET "PLUMBLINE" has failed with DIMSE status 0xA700'


def series(name, *instances, manufacturer="SIEMENS", modality="CT", **tags):
    tags |= {"Manufacturer": manufacturer, "Modality": modality}
    return {"ID": name, "Instances": instances, "MainDicomTags": tags}


@pytest.fixture
def fake(monkeypatch):
    fake = FakeOrthanc()
    monkeypatch.setitem(sys.modules, "orthanc", fake)
    return fake


def load_script():
    """Run the script anew, as a start of Orthanc does."""
    spec = importlib.util.spec_from_file_location("plumbline_router", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(fake):
    return load_script()


@pytest.fixture
def router(script, monkeypatch):
    router = script.Router()
    router.waits = []
    monkeypatch.setattr(router._stopping, "wait", router.waits.append)
    return router


@pytest.fixture
def filtered(fake, monkeypatch):
    """Run the script anew with a site's filter."""

    def run(modalities="", text=""):
        monkeypatch.setenv("PLUMBLINE_ROUTE_MODALITIES", modalities)
        monkeypatch.setenv("PLUMBLINE_ROUTE_TEXT", text)
        return load_script().Router()

    return run


def became_stable(fake, study, *content):
    fake.studies[study] = list(content)
    fake.changes.append({"Seq": len(fake.changes) + 1, "ChangeType": "StableStudy", "ID": study})


def test_a_stable_study_is_sent_and_the_position_kept(fake, router):
    became_stable(fake, "study", series("a", "1", "2"))
    router._drain()
    assert fake.sent == [["1", "2"]]
    assert fake.properties[5467] == "1"


def test_what_was_delivered_is_not_sent_again_and_only_what_is_new_is(fake, router):
    became_stable(fake, "study", series("a", "1", "2"))
    router._drain()
    became_stable(fake, "study", series("a", "2", "1"))
    router._drain()
    became_stable(fake, "study", series("a", "1", "2", "4"), series("b", "3"))
    router._drain()
    assert fake.sent == [["1", "2"], ["4", "3"]]


def test_a_note_of_the_first_release_is_understood(fake, router):
    digest = hashlib.sha256(b"1 2").hexdigest()[:16]
    fake.metadata["study"] = {"4010": json.dumps({"a": digest, "b": "of other instances"})}
    became_stable(fake, "study", series("a", "1", "2"), series("b", "3"))
    router._drain()
    assert fake.sent == [["3"]]


def test_our_own_series_are_never_sent(fake, router):
    own = series("r", "9", manufacturer="Plumbline", modality="SR")
    became_stable(fake, "study", own)
    router._drain()
    assert fake.sent == []


def test_a_study_without_a_modality_that_the_site_routes_stays_and_says_why(fake, filtered):
    router = filtered("CT, dx")
    became_stable(fake, "breast", series("a", "1", modality="MG"))
    became_stable(fake, "spine", series("b", "2", modality="DX"), series("c", "3", modality="SR"))
    router._drain()
    assert fake.sent == [["2", "3"]], "a study is sent whole, or not at all"
    assert fake.metadata["breast"] == {"4015": "no series of CT, DX"}
    assert "4015" not in fake.metadata["spine"]
    assert fake.properties[5467] == "2"


@pytest.mark.parametrize(
    ("study", "tags", "is_sent"),
    [
        ("LWS in 2 Ebenen", {}, True),
        ("Routine", {"BodyPartExamined": "LSPINE"}, True),
        ("Thorax", {"ProtocolName": "Lung"}, False),
        ("", {}, True),
    ],
)
def test_a_text_of_the_site_decides_where_descriptions_say_anything(fake, filtered, study, tags, is_sent):
    router = filtered(text=r"spine|\blws\b")
    became_stable(fake, "study", series("a", "1", **tags))
    fake.descriptions["study"] = study
    router._drain()
    assert bool(fake.sent) is is_sent
    assert ("4015" in fake.metadata["study"]) is not is_sent


def test_a_study_that_was_left_out_is_sent_once_it_has_what_is_routed(fake, filtered):
    router = filtered("CT")
    became_stable(fake, "study", series("a", "1", modality="US"))
    router._drain()
    became_stable(fake, "study", series("a", "1", modality="US"), series("b", "2"))
    router._drain()
    assert fake.sent == [["1", "2"]]
    assert "4015" not in fake.metadata["study"]


def test_an_absent_receiver_is_waited_for_with_growing_patience(fake, router):
    fake.is_listening = False
    became_stable(fake, "study", series("a", "1"))
    fake.troubles = [AWAY] * 8
    router._drain()
    assert [seconds for seconds in router.waits if seconds >= 1] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert fake.received == ["1"]


def test_a_receiver_without_room_is_waited_for_however_long(fake, router):
    became_stable(fake, "study", series("a", "1"))
    fake.troubles = [FULL] * 20
    router._drain()
    assert fake.received == ["1"]
    assert not any("refused" in text for text in fake.warnings)


@pytest.mark.parametrize("why", [REFUSED, NOT_NEGOTIATED])
def test_what_is_refused_does_not_hold_up_the_rest_and_is_not_sent_again(fake, router, why):
    instances = [f"{n:02}" for n in range(40)]
    became_stable(fake, "study", series("a", *instances))
    fake.refused = {"07": why, "31": why}
    router._drain()
    assert set(fake.received) == set(instances) - {"07", "31"}
    assert len(fake.received) < 3 * len(instances), "only what a refusal broke off is repeated"
    assert fake.properties[5467] == "1"
    assert any("2 instances" in text and "refused" in text for text in fake.warnings)
    sent = len(fake.sent)
    became_stable(fake, "study", series("a", *instances, "40"))
    router._drain()
    assert fake.sent[sent:] == [["40"]]


def test_an_outage_repeats_one_chunk_and_not_the_study(fake, script, router, monkeypatch):
    monkeypatch.setattr(script, "CHUNK", 2)
    became_stable(fake, "study", series("a", "1", "2", "3", "4", "5"))

    def stops(seconds):
        return seconds >= 1

    store = fake._store
    monkeypatch.setattr(
        fake, "_store", lambda instances: store(instances) if "3" not in instances else {"State": "Failure"}
    )
    monkeypatch.setattr(router._stopping, "wait", stops)
    fake.is_listening = False
    with pytest.raises(script.Stopping):
        router._drain()
    monkeypatch.setattr(fake, "_store", store)
    script.Router()._drain()
    assert fake.received == ["1", "2", "3", "4", "5"]


def test_what_fails_without_a_reason_again_and_again_is_passed_over(fake, router):
    became_stable(fake, "study", series("a", "1", "2"))
    fake.refused = {"2": "something else"}
    router._drain()
    assert fake.received == ["1", "1", "1", "1", "1", "1"]
    assert any("refused" in text for text in fake.warnings)


def test_instances_deleted_while_their_receiver_is_away_are_not_waited_for(fake, router, monkeypatch):
    became_stable(fake, "study", series("a", "1", "2"))
    fake.is_listening, fake.troubles = False, [AWAY] * 3

    def deletes(_seconds):
        fake.studies["study"] = [series("a", "1")]

    monkeypatch.setattr(router._stopping, "wait", deletes)
    router._drain()
    assert fake.received == ["1"]
    assert fake.properties[5467] == "1"


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
    script.Router()._drain()
    assert len(fake.sent) == 1


def test_the_script_starts_with_orthanc(fake, script):
    fake.callback(fake.ChangeType.ORTHANC_STARTED, None, "")
    (router,) = script.running
    assert router.is_alive()
    fake.callback(fake.ChangeType.ORTHANC_STOPPED, None, "")
    assert not router.is_alive()
