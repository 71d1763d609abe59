"""How long it takes us to match one exam whose patient has 200 studies, and what that asks of the archive.

Recognition and matching are run as the path runs them, on a real store: once with nothing else in it, once
with 100,000 studies in the database, once with 2,000 studies in a real Orthanc. Own time is processor time
of this process; waiting for the archive is not in it, reading its answers is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from pydicom import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from sqlalchemy import insert

from plumbline.adapters.database.engine import Store, open_store
from plumbline.adapters.database.tables import ExamRow, InstanceRow, StepRow
from plumbline.exams.plain_text import forget_texts
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.pipeline.archive_ports import ArchiveStudy, FetchedInstance
from plumbline.pipeline.match import match_step
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts, Proceed, Step, StepName
from plumbline.pipeline.recognise import recognise_step
from plumbline.pipeline.study_documents import archive_study_document
from plumbline.settings import OrthancSettings, Settings
from plumbline.site_policy import site_policy
from plumbline.testing import MemoryArchive
from tests.servers import run_orthanc
from workers.wiring import build_ports

STUDIES_OF_THE_PATIENT = 200
STUDIES_IN_ORTHANC = 2_000
STUDIES_IN_THE_DATABASE = 100_000
RUNS = 15
PATIENT = PatientIdentity("BENCH-0", "NORTH", datetime(1960, 1, 2, tzinfo=UTC).date(), "F")
_SURGERY = datetime(2024, 3, 4)
_KINDS = (("CT LSPINE", "LSPINE"), ("CT LWS", "LSPINE"), ("CT THORAX", "CHEST"), ("CT CSPINE", "CSPINE"))


@dataclass(frozen=True)
class Matching:
    """What matching took."""

    own_ms: float
    wall_ms: float
    archive_queries: int


class _Images:
    """The patient's exams as held, their headers read already; no pixels are opened when matching."""

    def __init__(self, held: Sequence[Study]) -> None:
        self._held = {each.study_instance_uid: each for each in held}

    def study(self, uid: str) -> Study:
        return self._held[uid]


def studies(count: int, patient: PatientIdentity = PATIENT) -> list[Study]:
    """Studies of one patient round an operation, as a hospital describes them; the last is the current exam."""
    made = []
    for number in range(count):
        description, body_part = _KINDS[number % len(_KINDS)] if number < count - 1 else _KINDS[0]
        performed = _SURGERY + timedelta(days=7 * (number - count // 2))
        uid = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{patient.patient_id}-{number}').int}"
        told = f"s/p L4-L5 TLIF {_SURGERY:%Y-%m-%d}, follow-up {number}" if performed > _SURGERY else f"LBP {number}"
        series = Series(
            f"{uid}.1", "CT", _slices(uid), description="bone 1.0", body_part_examined=body_part, slice_thickness_mm=1.0
        )
        made.append(
            Study(uid, patient, (series,), performed, True, description, f"A{number}", reason_for_study=(told,))
        )
    return made


def _slices(uid: str) -> tuple[Instance, ...]:
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return tuple(
        Instance(f"{uid}.1.{i}", CTImageStorage, image_position_lps_mm=(0, 0, i), image_orientation=axial)
        for i in range(200)
    )


def as_file(study: Study) -> bytes:
    """The smallest CT instance that carries a study's header."""
    series = study.series[0]
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{study.study_instance_uid}.1.0"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study.study_instance_uid, series.series_instance_uid
    dataset.PatientID, dataset.IssuerOfPatientID = study.patient.patient_id, study.patient.issuer
    dataset.PatientName, dataset.PatientSex = "Bench^Virtual", study.patient.sex
    assert study.patient.birth_date is not None
    assert study.performed_at is not None
    dataset.PatientBirthDate = study.patient.birth_date.strftime("%Y%m%d")
    dataset.StudyDate, dataset.StudyTime = study.performed_at.strftime("%Y%m%d"), "080000"
    dataset.StudyDescription, dataset.AccessionNumber = study.description, study.accession_number
    dataset.ReasonForTheRequestedProcedure = study.reason_for_study[0]
    dataset.Modality, dataset.SeriesDescription = series.modality, series.description
    dataset.BodyPartExamined, dataset.SliceThickness = series.body_part_examined, "1.0"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def match_repeatedly(ports: PathPorts, policy: SitePolicy, current: Study, queries: list[Any]) -> Matching:
    """Recognise and match the current exam a few times, as new revisions.

    Own time is that of the least disturbed run, as is usual for processor time; wall time the median.
    """
    own, wall, asked = [], [], []
    for revision in range(1, RUNS + 1):
        forget_texts()
        queries.clear()
        began, began_own = time.perf_counter(), time.process_time()
        _match_once(ports, policy, current.study_instance_uid, revision)
        own.append((time.process_time() - began_own) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
        asked.append(len(queries))
    return Matching(min(own), statistics.median(wall), max(asked))


def _match_once(ports: PathPorts, policy: SitePolicy, uid: str, revision: int) -> None:
    step_id = ports.steps.open(uid, revision, StepName.RECOGNISE)
    assert step_id is not None
    step = ports.steps.claim(step_id, "bench")
    assert step is not None
    outcome = recognise_step(step, ports, policy)
    assert isinstance(outcome, Proceed), outcome
    ports.steps.settle(step, "bench", outcome)
    outcome = match_step(Step(0, uid, revision, StepName.MATCH, 1), ports, policy)
    assert isinstance(outcome, Proceed), outcome
    chosen = [each for each in outcome.result["choice"]["considered"] if each["role"]]
    assert len(chosen) == 3
    assert not any(each["partial"] for each in chosen)


def hold(store: Store, held: Sequence[Study], *, is_listed: bool = False) -> None:
    """Put studies into the store as the path would: an exam, an instance and a recognition of each.

    With ``is_listed`` each recognition keeps, as the path's do, what the archive listed of the patient by then.
    """
    now = datetime.now(UTC)
    patient = {"patient_id": "", "issuer": "NORTH", "birth_date": "1960-01-02", "sex": "F", "other_ids": []}
    exams, instances, steps = [], [], []
    listing = [archive_study_document(ArchiveStudy(_without_instances(each), 1)) for each in held] if is_listed else []
    for number, each in enumerate(held):
        uid = each.study_instance_uid
        exams.append(
            {
                "study_instance_uid": uid,
                "revision": 0,
                "state": "done",
                "has_grown": False,
                "patient": {**patient, "patient_id": each.patient.patient_id},
                "sender": "BENCH",
                "first_instance_at": now,
                "last_instance_at": now,
            }
        )
        instances.append(
            {
                "sop_instance_uid": f"{uid}.1.0",
                "study_instance_uid": uid,
                "series_instance_uid": f"{uid}.1",
                "sop_class_uid": CTImageStorage,
                "transfer_syntax_uid": ExplicitVRLittleEndian,
                "sha256": "0" * 64,
                "segment": "s",
                "offset": 0,
                "length": 1,
                "sender": "BENCH",
                "received_at": now,
                "order": 1,
            }
        )
        steps.append(
            {
                "study_instance_uid": uid,
                "revision": 0,
                "name": StepName.RECOGNISE.value,
                "state": "done",
                "attempts": 1,
                "not_before": now,
                "created_at": now,
                "result": {"hardware_seen": True, "listed": listing[:number]},
                "hardware_seen": True,
            }
        )
    with store.begin() as session:
        for row, values in ((ExamRow, exams), (InstanceRow, instances), (StepRow, steps)):
            session.execute(insert(row), values)


@contextmanager
def _ports(folder: Path, own: Sequence[Study], **orthanc: Any) -> Iterator[tuple[PathPorts, SitePolicy, Store]]:
    settings = Settings(data_dir=folder, orthanc=OrthancSettings(**orthanc))
    folder.mkdir(parents=True, exist_ok=True)
    store = open_store(settings.store_url)
    try:
        yield replace(build_ports(settings, store), images=_Images(own)), site_policy(settings), store  # type: ignore[arg-type]
    finally:
        store.engine.dispose()


def in_the_database(others: int) -> Matching:
    """Matching with so many studies of others in the database."""
    own = studies(STUDIES_OF_THE_PATIENT)
    archive, queries = MemoryArchive(), []
    for each in own:
        archive.studies.append(ArchiveStudy(_without_instances(each), 1))
        archive.instances[each.study_instance_uid] = [FetchedInstance(b"", "", f"{each.study_instance_uid}.1.0", "")]
    with tempfile.TemporaryDirectory() as folder, _ports(Path(folder), own) as (ports, policy, store):
        hold(store, own, is_listed=True)
        for start in range(0, others, 10_000):
            hold(store, [_stranger(number) for number in range(start, min(start + 10_000, others))])
        return match_repeatedly(replace(ports, archive=archive), policy, own[-1], queries)


def _without_instances(study: Study) -> Study:
    return replace(study, series=tuple(replace(one, instances=()) for one in study.series))


def _stranger(number: int) -> Study:
    patient = PatientIdentity(f"BENCH-{1 + number // 5}", "NORTH")
    return Study(f"2.25.9{number}", patient, ())


def in_orthanc() -> Matching:
    """Matching on a real Orthanc that holds 2,000 studies; requests to it are counted."""
    own = studies(STUDIES_OF_THE_PATIENT)
    strangers = (STUDIES_IN_ORTHANC - len(own)) // 18
    with tempfile.TemporaryDirectory() as folder, run_orthanc(Path(folder) / "orthanc") as server:
        with httpx.Client(timeout=30) as client:
            for number in range(strangers + 1):
                patient = PatientIdentity(f"BENCH-{number}", "NORTH", PATIENT.birth_date, "F")
                for each in own if number == 0 else studies(18, patient):
                    client.post(f"{server.url}/instances", content=as_file(each)).raise_for_status()
        with _ports(Path(folder) / "data", own, url=server.url) as (ports, policy, store):
            hold(store, own, is_listed=True)
            queries: list[Any] = []
            ports.archive._client._api.event_hooks["request"].append(queries.append)  # type: ignore[attr-defined]
            return match_repeatedly(ports, policy, own[-1], queries)
