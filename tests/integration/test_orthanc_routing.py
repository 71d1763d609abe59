"""From a modality through the real Orthanc to the listener, and what happens when either is away for a while."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_files
from pydicom.uid import generate_uid

from plumbline.adapters.orthanc.archive import OrthancArchive
from plumbline.adapters.spool import Journal
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.fetch import Fetcher
from plumbline.pipeline.reconcile import reconcile
from plumbline.settings import OrthancSettings
from tests.servers import listener_settings, program, run_listener, run_orthanc, wait_until

ROUTED_WITHIN_S = 60.0


def write_study(folder, count, **attributes):
    """Files of one study with ``count`` instances; returns (paths, Study Instance UID)."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = dcmread(get_testdata_files("CT_small.dcm")[0])
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    paths = []
    for number in range(count):
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number + 1
        paths.append(folder / f"{number}.dcm")
        dataset.save_as(paths[-1])
    return paths, dataset.StudyInstanceUID


def send(orthanc, paths):
    command = [program("storescu", "dcmtk"), "-aec", "ORTHANC", "127.0.0.1", str(orthanc.archive.dicom_port)]
    subprocess.run([*command, *map(str, paths)], check=True, capture_output=True)


def held(listener, study):
    return {instance.sop_instance_uid for instance in listener.index.held(study)}


def wait_for(listener, study, count):
    wait_until(lambda: len(held(listener, study)) == count, f"{count} instances routed and indexed", ROUTED_WITHIN_S)


def reconcile_later(archive, listener):
    """A pass of the reconciler as if a minute had gone by, into the spool of a listener."""
    journal = Journal(listener.settings.spool_dir)
    try:
        fetcher = Fetcher(archive, journal, SystemClock())
        return reconcile(archive, listener.index, fetcher, now=datetime.now(UTC) + timedelta(minutes=1))
    finally:
        journal.close()


@pytest.fixture
def place(tmp_path):
    """Listener settings and ways to start both, on ports that stay the same over restarts."""

    class Place:
        folder = tmp_path
        settings = listener_settings(tmp_path)
        ports: dict

        @contextmanager
        def orthanc(self, **env):
            port = self.settings.listener.port
            with run_orthanc(tmp_path / "orthanc", listener_port=port, env=env, **self.ports) as server:
                self.ports = {"http_port": server.archive.http_port, "dicom_port": server.archive.dicom_port}
                yield server

        def listener(self):
            return run_listener(tmp_path, self.settings)

    made = Place()
    made.ports = {}
    return made


def test_a_stable_study_is_routed_and_growth_sends_only_what_is_new(place):
    with place.orthanc() as orthanc, place.listener() as listener:
        paths, study = write_study(place.folder / "a", 5)
        send(orthanc, paths)
        wait_for(listener, study, 5)
        series = dcmread(paths[0], stop_before_pixels=True).SeriesInstanceUID
        more, _ = write_study(place.folder / "b", 2, StudyInstanceUID=study, SeriesInstanceUID=series)
        send(orthanc, more)
        wait_for(listener, study, 7)
        received = [label.sop_instance_uid for label, _ in listener.kept()]
        assert len(received) == 7, "what was delivered of the series before is not sent again"


def test_our_own_report_stored_in_the_archive_does_not_come_back(place):
    with place.orthanc() as orthanc, place.listener() as listener:
        paths, study = write_study(place.folder / "a", 2)
        send(orthanc, paths)
        wait_for(listener, study, 2)
        report, _ = write_study(place.folder / "r", 1, StudyInstanceUID=study, Manufacturer="Plumbline", Modality="SR")
        send(orthanc, report)
        other, later = write_study(place.folder / "c", 1)
        send(orthanc, other)
        wait_for(listener, later, 1)  # routed in the order of the changes: the report's turn is over
        assert len(listener.kept()) == 3


def test_what_the_site_s_filter_leaves_out_is_neither_sent_nor_fetched(place):
    with place.orthanc(PLUMBLINE_ROUTE_MODALITIES="CT") as orthanc, place.listener() as listener:
        breast, left_out = write_study(place.folder / "m", 1, Modality="MG")
        send(orthanc, breast)
        archive = OrthancArchive(OrthancSettings(url=orthanc.url))
        wait_until(lambda: archive.is_left_out(left_out), "the router says so", ROUTED_WITHIN_S)
        paths, study = write_study(place.folder / "a", 2)
        send(orthanc, paths)
        wait_for(listener, study, 2)
        assert not archive.is_left_out(study)
        report = reconcile_later(archive, listener)
        assert (report.studies, report.fetched) == (2, 0)
        assert held(listener, left_out) == set()
        archive.close()


def test_nothing_is_lost_while_the_listener_is_down_even_if_orthanc_restarts(place):
    with place.orthanc() as orthanc:
        paths, study = write_study(place.folder / "a", 3)
        send(orthanc, paths)
        wait_until(lambda: "waits" in orthanc.log.read_text(), "the router waits for its receiver", ROUTED_WITHIN_S)
    with place.orthanc(), place.listener() as listener:
        wait_for(listener, study, 3)
        assert len(listener.kept()) == 3


@pytest.mark.slow
def test_a_study_that_was_not_stable_when_orthanc_was_killed_is_routed_after_its_start(place):
    with place.orthanc() as orthanc:
        paths, study = write_study(place.folder / "a", 3)
        send(orthanc, paths)
        orthanc.process.kill()
        orthanc.process.wait()
    with place.orthanc() as orthanc, place.listener() as listener:
        wait_for(listener, study, 3)
        changes = httpx.get(orthanc.url + "/changes?limit=1000").json()["Changes"]
        assert not [change for change in changes if change["ChangeType"] == "StableStudy"]


def test_an_instance_that_is_refused_does_not_hold_up_the_others(place):
    place.settings = listener_settings(place.folder, accept_unknown_storage=False)
    with place.orthanc() as orthanc, place.listener() as listener:
        paths, study = write_study(place.folder / "a", 3)
        private, _ = write_study(place.folder / "p", 1, StudyInstanceUID=study, SOPClassUID="1.2.826.0.1.3680043.9.7.1")
        for path in paths[:1] + private + paths[1:]:
            httpx.post(orthanc.url + "/instances", content=path.read_bytes()).raise_for_status()
        wait_for(listener, study, 3)
        next_paths, next_study = write_study(place.folder / "b", 1)
        send(orthanc, next_paths)
        wait_for(listener, next_study, 1)
        assert "0122" in listener.log.read_text()


def test_what_was_never_sent_is_fetched_by_reconciling(place):
    with place.orthanc() as orthanc:
        paths, study = write_study(place.folder / "a", 3)
        send(orthanc, paths)
        changes = orthanc.url + "/changes?limit=1000"
        wait_until(
            lambda: any(c["ChangeType"] == "StableStudy" for c in httpx.get(changes).json()["Changes"]), "stable"
        )
        archive = OrthancArchive(OrthancSettings(url=orthanc.url))
        with place.listener() as listener:
            # The router would send it too: what matters is that the two together hold each instance once.
            report = reconcile_later(archive, listener)
            wait_for(listener, study, 3)
            assert (report.studies, report.failed) == (1, ())
            assert listener.index.quarantined() == []
            assert reconcile_later(archive, listener).fetched == 0
        archive.close()
