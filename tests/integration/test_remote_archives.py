"""Archives elsewhere, real ones: DCMTK's dcmqrscp and Orthanc over DIMSE, Orthanc over DICOMweb.

C-FIND, C-GET and C-MOVE, QIDO-RS and WADO-RS; the images are small virtual ones, plain and compressed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_files
from pydicom.uid import UID, RLELossless, generate_uid
from pynetdicom import AE
from pynetdicom.presentation import build_context

from plumbline.adapters.dicomweb.remote_archive import DicomWebArchive
from plumbline.adapters.dimse.query_retrieve import DimseArchive
from plumbline.errors import InvalidInput, Misconfigured, Unavailable
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.archive_ports import RemoteArchive
from plumbline.settings import DicomWebRemote, DimseRemote
from plumbline.testing import MemorySpool
from tests.servers import answers, free_port, is_listening, program, running, wait_until

US = "PLUMBLINE"
PATIENT = PatientIdentity("REMOTE1", "NORTH", date(1960, 1, 2), "F")


def instance(series: str, study: str, number: int, *, compressed: bool = False, **attributes: Any) -> Dataset:
    dataset = dcmread(get_testdata_files("CT_small.dcm")[0])
    dataset.PatientID, dataset.IssuerOfPatientID = PATIENT.patient_id, PATIENT.issuer
    dataset.PatientBirthDate, dataset.PatientSex = "19600102", "F"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.InstanceNumber, dataset.StudyDate, dataset.StudyDescription = number, "20250304", "CT LSPINE"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    if compressed:
        dataset.compress(RLELossless, generate_instance_uid=False)
    return dataset


@dataclass(frozen=True)
class Held:
    """What an archive was given of one study."""

    study: str
    instances: tuple[Dataset, ...]

    @property
    def uids(self) -> set[str]:
        return {str(each.SOPInstanceUID) for each in self.instances}


def virtual_study(*, compressed: bool = True) -> Held:
    study, first, second = generate_uid(), generate_uid(), generate_uid()
    series = [instance(first, study, number, SeriesDescription="bone") for number in range(3)]
    series += [instance(second, study, number, compressed=compressed) for number in range(2)]
    return Held(study, tuple(series))


def send(port: int, called: str, held: Held) -> None:
    entity = AE(US)
    contexts = [
        build_context(each.SOPClassUID, [each.file_meta.TransferSyntaxUID])
        for each in {str(one.file_meta.TransferSyntaxUID): one for one in held.instances}.values()
    ]
    association = entity.associate("127.0.0.1", port, contexts=contexts, ae_title=called)
    assert association.is_established
    for each in held.instances:
        assert association.send_c_store(each).Status == 0
    association.release()


@dataclass(frozen=True)
class Server:
    """A running archive."""

    ae_title: str
    port: int
    url: str | None = None


@pytest.fixture(scope="module")
def listener_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def orthanc_elsewhere(tmp_path_factory, listener_port) -> Iterator[Server]:
    """An Orthanc of somebody else: Debian's defaults, with us among its modalities."""
    binary = program("Orthanc", "orthanc")
    folder = tmp_path_factory.mktemp("elsewhere")
    http_port, port = free_port(), free_port()
    configuration = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": http_port,
        "DicomPort": port,
        "DicomAet": "ELSEWHERE",
        "DicomCheckCalledAet": True,
        "DicomModalities": {"us": [US, "127.0.0.1", listener_port]},
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    url = f"http://127.0.0.1:{http_port}"
    with running([binary, str(file)], log=folder / "orthanc.log") as process:
        wait_until(lambda: process.poll() is not None or answers(url + "/system"), f"Orthanc answers; {folder}")
        yield Server("ELSEWHERE", port, url)


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory, listener_port) -> Iterator[Server]:
    """DCMTK's image archive, with us among its known hosts."""
    binary = program("dcmqrscp", "dcmtk")
    folder = tmp_path_factory.mktemp("dcmqrscp")
    port = free_port()
    (folder / "db").mkdir()
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        f"""NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
us = ({US}, 127.0.0.1, {listener_port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {folder / "db"} RW (200, 1024mb) ANY
AETable END
""",
        encoding="utf-8",
    )
    command = [binary, "--config", str(configuration), "--prefer-lossless", "+xr", str(port)]
    with running(command, log=folder / "dcmqrscp.log"):
        wait_until(lambda: is_listening(port), "dcmqrscp listens")
        yield Server("QRSCP", port)


def dimse(server: Server, spool: MemorySpool, **options: Any) -> DimseArchive:
    values = {"kind": "dimse", "name": "elsewhere", "ae_title": server.ae_title, "host": "127.0.0.1"}
    return DimseArchive(DimseRemote.model_validate({**values, "port": server.port, "timeout_s": 20, **options}), spool)


def dicomweb(server: Server, spool: MemorySpool, **options: Any) -> DicomWebArchive:
    values = {"kind": "dicomweb", "name": "elsewhere", "url": f"{server.url}/dicom-web", "instances_per_s": 1000}
    return DicomWebArchive(DicomWebRemote.model_validate({**values, **options}), spool)


@pytest.fixture(params=["dcmqrscp", "orthanc_elsewhere", "dicomweb"])
def make(request) -> Callable[..., tuple[RemoteArchive, MemorySpool, Server]]:
    """Each kind of archive in turn, with a spool for what it delivers."""
    server = request.getfixturevalue("orthanc_elsewhere" if request.param == "dicomweb" else request.param)

    def made(**options: Any):
        spool = MemorySpool()
        kind = dicomweb if request.param == "dicomweb" else dimse
        return kind(server, spool, **options), spool, server

    return made


def found_study(archive: RemoteArchive, held: Held):
    listed = {each.study.study_instance_uid: each for each in archive.studies_of(PATIENT)}
    return archive.with_series(listed[held.study])


def test_a_patients_exams_are_found_with_series_and_counts(make):
    archive, _, server = make(issuer_of_patient_id="NORTH")
    held = virtual_study()
    send(server.port, server.ae_title, held)
    (at_study_level,) = [one for one in archive.studies_of(PATIENT) if one.study.study_instance_uid == held.study]
    assert at_study_level.study.series == ()
    listed = archive.with_series(at_study_level)
    assert listed.study.description == "CT LSPINE"
    assert listed.study.performed_at is not None
    assert listed.study.performed_at.date() == date(2025, 3, 4)
    assert listed.study.patient.issuer == "NORTH"
    assert [series.modality for series in listed.study.series] == ["CT", "CT"]
    assert {each.sop_instance_uid for each in archive.instances_of(listed.study)} == held.uids


def test_nobody_elses_exams_are_found(make):
    archive, _, server = make()
    send(server.port, server.ae_title, virtual_study())
    assert archive.studies_of(PatientIdentity("REMOTE")) == ()
    assert archive.studies_of(PatientIdentity("REMOTE?")) == ()


def test_what_is_wanted_comes_as_it_is_stored_and_nothing_else(make):
    archive, spool, server = make()
    held = virtual_study()
    send(server.port, server.ae_title, held)
    study = found_study(archive, held).study
    listed = archive.instances_of(study)
    archive.retrieve(study, listed[1:])
    assert {each.sop_instance_uid for each in spool.appended} == {each.sop_instance_uid for each in listed[1:]}
    sent = {str(each.SOPInstanceUID): each for each in held.instances}
    for each in spool.appended:
        syntax = sent[each.sop_instance_uid].file_meta.TransferSyntaxUID
        assert UID(each.transfer_syntax_uid).is_compressed == syntax.is_compressed
        raw = dcmread(BytesIO(each.dataset), force=True, specific_tags=["PatientID"])
        assert raw.get("PatientID") == PATIENT.patient_id


def test_an_instance_that_it_does_not_have_is_said_and_the_others_come(make):
    archive, spool, server = make()
    held = virtual_study()
    send(server.port, server.ae_title, held)
    study = found_study(archive, held).study
    listed = archive.instances_of(study)
    gone = type(listed[0])(generate_uid(), listed[0].series_instance_uid, listed[0].handle)
    with pytest.raises(Unavailable, match="1 of 6 instances"):
        archive.retrieve(study, [gone, *listed])
    assert {each.sop_instance_uid for each in spool.appended} == held.uids


@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc_elsewhere"])
def test_a_move_brings_the_instances_to_the_listener(request, name, listener_port, start_listener):
    server: Server = request.getfixturevalue(name)
    peers = [{"ae_title": server.ae_title, "addresses": ["127.0.0.1"]}]
    listener = start_listener(port=listener_port, peers=peers)
    held = virtual_study(compressed=name != "dcmqrscp")  # it proposes one kind of transfer syntax only
    send(server.port, server.ae_title, held)
    archive = dimse(server, MemorySpool(), retrieve="move", move_destination=US)
    study = found_study(archive, held).study
    archive.retrieve(study, archive.instances_of(study))
    wait_until(lambda: {each.sop_instance_uid for each in listener.index.held(held.study)} == held.uids, "all arrived")
    assert {each.sender for each in listener.index.held(held.study)} == {archive.sender}


@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc_elsewhere"])
def test_a_move_to_an_unknown_destination_says_what_to_do(request, name):
    server: Server = request.getfixturevalue(name)
    held = virtual_study()
    send(server.port, server.ae_title, held)
    archive = dimse(server, MemorySpool(), retrieve="move", move_destination="NOBODY")
    study = found_study(archive, held).study
    with pytest.raises((Misconfigured, InvalidInput, Unavailable), match="elsewhere"):
        archive.retrieve(study, archive.instances_of(study))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's refused socket
def test_an_archive_that_is_away_is_unavailable():
    nobody = Server("NOBODY", free_port(), f"http://127.0.0.1:{free_port()}")
    for archive in (dimse(nobody, MemorySpool(), timeout_s=2), dicomweb(nobody, MemorySpool(), timeout_s=2)):
        with pytest.raises(Unavailable):
            archive.studies_of(PATIENT)


def test_an_archive_that_does_not_know_us_says_so(orthanc_elsewhere):
    archive = dimse(Server("WRONG", orthanc_elsewhere.port), MemorySpool())
    with pytest.raises(Misconfigured, match="does not accept"):
        archive.studies_of(PATIENT)


def test_a_secret_that_cannot_be_read_names_its_archive(orthanc_elsewhere, tmp_path: Path):
    with pytest.raises(Misconfigured, match="elsewhere"):
        archive = dicomweb(orthanc_elsewhere, MemorySpool(), username="u", secret_file=tmp_path / "absent")
        archive.studies_of(PATIENT)


def test_the_archive_elsewhere_is_left_as_it_was(orthanc_elsewhere):
    held = virtual_study()
    send(orthanc_elsewhere.port, orthanc_elsewhere.ae_title, held)
    before = httpx.get(f"{orthanc_elsewhere.url}/statistics").json()["CountInstances"]
    archive = dimse(orthanc_elsewhere, MemorySpool())
    study = found_study(archive, held).study
    archive.retrieve(study, archive.instances_of(study))
    assert httpx.get(f"{orthanc_elsewhere.url}/statistics").json()["CountInstances"] == before
