"""A small site with something of everything: a real store and a real Orthanc, filled in a few seconds.

The images are those of the checks' unit tests, and the result is what the real checks make of them. What a path
would have left beside (steps, workitems, quarantine) is written as the path writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import httpx
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from plumbline.adapters.database.delivery_tables import DeliveryRow
from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.exams import patient_document
from plumbline.adapters.database.readers import DatabaseReaders
from plumbline.adapters.database.results import DatabasePublications, DatabaseResults
from plumbline.adapters.database.tables import ExamRow, QuarantineRow, StepEventRow, StepRow
from plumbline.adapters.database.workitems import DatabaseWorkitems
from plumbline.anatomy.landmarks import Landmark
from plumbline.checks.context import CheckContext, MarkedRadiograph, MeasuredExam
from plumbline.checks.evidence import draw_evidence
from plumbline.checks.finding import CheckName
from plumbline.checks.registry import run_checks
from plumbline.exams.history import SurgicalHistory
from plumbline.exams.recognition import ExamKind, Recognition
from plumbline.exams.series_roles import SeriesRole
from plumbline.exams.study import Instance, PatientIdentity, Series, Study
from plumbline.imaging.motion import ExamAnatomy
from plumbline.imaging.volume import Volume
from plumbline.pipeline.documents import (
    Comparison,
    choice_document,
    comparison_document,
    decision_document,
    facts_document,
    recognition_document,
    result_document,
)
from plumbline.pipeline.ports import Clock, Picture
from plumbline.pipeline.views import views_of
from plumbline.priors.choice import Reference, ReferenceChoice, Role
from plumbline.testing import invented_ct_study
from plumbline.triage.facts import provisional_facts, with_findings
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.triage.rule_file import default_rules
from plumbline.triage.rules import decide
from plumbline.worklist.reading import RetrievalSource, StoredObject, reading_workitem
from tests.unit.checks.conftest import SCANNER, follow_up
from tests.unit.imaging.bone_worlds import SPACER, examined, stacked

OPERATED = date(2026, 3, 2)
BASELINE, CURRENT = "2.25.101", "2.25.102"
RADIOGRAPH, FAILED, STANDING = "2.25.105", "2.25.106", "2.25.107"
NAME = "Doe^Joan"
PATIENT = PatientIdentity("4711", "GENERAL-HOSPITAL", date(1961, 4, 5), "F")
RECOGNITION = Recognition(ExamKind.POSTOPERATIVE_SPINE, "CT", None, "supine", ("L4", "L5"), (), ("The spine.",))


STANDING_LANDMARKS = {
    "S1 superior endplate anterior": (130.0, 232.0),
    "S1 superior endplate posterior": (188.0, 206.0),
    "left femoral head centre": (112.0, 352.0),
    "right femoral head centre": (124.0, 356.0),
    "L1 superior endplate anterior": (104.0, 62.0),
    "L1 superior endplate posterior": (170.0, 54.0),
}


@dataclass(frozen=True)
class Site:
    """Where to look at what was seeded."""

    address: str


def seed(store: Store, clock: Clock, orthanc_url: str) -> None:
    """Fill store and archive."""
    exams = {BASELINE: examined(stacked(2), (SPACER,), scanner=SCANNER), CURRENT: follow_up(3.5)}
    for uid, anatomy in exams.items():
        _store(orthanc_url, ct_files(uid, anatomy.volume))
    _store(orthanc_url, [radiograph_file(RADIOGRAPH), radiograph_file(STANDING)])
    _seed_standing(store, clock)
    _seed_baseline(store, clock, exams[BASELINE])
    _seed_current(store, clock, exams)
    _seed_others(store, clock)


def study(uid: str, on: datetime, modality: str = "CT") -> Study:
    """A study of the seeded patient."""
    instance = Instance(f"{uid}.1.1", str(CTImageStorage), 1)
    return replace(
        invented_ct_study(1),
        study_instance_uid=uid,
        patient=PATIENT,
        series=(Series(f"{uid}.1", modality, (instance,)),),
        performed_at=on,
        accession_number=f"A{uid[-3:]}",
        requested_procedure_description=f"{modality} lumbar spine",
    )


def _seed_baseline(store: Store, clock: Clock, anatomy: ExamAnatomy) -> None:
    on = datetime(2026, 3, 6, 9, 15, tzinfo=UTC)
    context = CheckContext(_measured(BASELINE, anatomy), missing_baseline="it is the first exam after the operation")
    _seed_exam(store, clock, study(BASELINE, on), context, ReferenceChoice((), {}, ()), days=4)


def _seed_current(store: Store, clock: Clock, exams: dict[str, ExamAnatomy]) -> None:
    on = datetime(2026, 6, 8, 9, 30, tzinfo=UTC)
    baseline = _measured(BASELINE, exams[BASELINE], role="baseline")
    context = CheckContext(_measured(CURRENT, exams[CURRENT]), baseline)
    reason = ("The first comparable CT after the operation.",)
    other = Reference("2.25.109", None, False, 0.1, {}, ("It shows the chest.",))
    chosen = Reference(BASELINE, Role.BASELINE, True, 0.95, {}, reason)
    choice = ReferenceChoice((chosen, other), {Role.PREOPERATIVE: "No preoperative exam is in the archive."}, ())
    _seed_exam(store, clock, study(CURRENT, on), context, choice, days=98)


def _seed_standing(store: Store, clock: Clock) -> None:
    """A standing radiograph that was reported with a reader's landmarks."""
    seeded = study(STANDING, datetime(2026, 6, 10, 10, 0, tzinfo=UTC), "DX")
    readers = DatabaseReaders(store, clock)
    for name, (column, row) in STANDING_LANDMARKS.items():
        placed = Landmark(f"{STANDING}.1", f"{STANDING}.1.1", name, column, row, "Ada Reader", clock.now())
        readers.set_landmark(STANDING, placed)
    marked = MarkedRadiograph(tuple(readers.landmarks(STANDING)), (0.5, 0.5), "lateral", "standing")
    context = CheckContext(_measured(STANDING, None, modality="DX"), marked=(marked,))
    findings = run_checks(context, [CheckName.SPINOPELVIC_ALIGNMENT])
    view = {"projection": "lateral", "position": "standing", "modality": "DX"}
    role = SeriesRole(f"{STANDING}.1", True, 1.0, "Radiograph, lateral projection, standing position.", **view)
    recognition = replace(RECOGNITION, **view, levels_in_view=(), series=(role,), regions=("L",))
    facts = provisional_facts(None, SurgicalHistory(()), recognition, performed_on=seeded.performed_at.date())
    decision = decide(default_rules(), with_findings(facts, findings, has_baseline=False))
    document = result_document(
        study_instance_uid=STANDING,
        recognition=recognition,
        comparison=Comparison(findings),
        choice=ReferenceChoice((), {Role.BASELINE: "No comparable radiograph is in the archive."}, ()),
        decision=decision,
        sr_path=f"studies/{STANDING}/series/{STANDING}.9/instances/{STANDING}.9.1",
    )
    document["exam"] = {"performed_at": seeded.performed_at.isoformat(), "revision": 1, "days_since_surgery": 100}
    DatabaseResults(store, clock).save(STANDING, 1, document)
    _seed_workitem(store, clock, seeded, decision)
    steps = {"complete": {}, "recognise": {"recognition": recognition_document(recognition)}, "publish": {}}
    _seed_path(store, clock, STANDING, "done", {name: ("done", result, None) for name, result in steps.items()})


def _measured(uid: str, anatomy: ExamAnatomy | None, role: str | None = None, *, modality: str = "CT") -> MeasuredExam:
    return MeasuredExam(uid, modality, lambda: anatomy, role=role)


def _seed_exam(
    store: Store, clock: Clock, seeded: Study, context: CheckContext, choice: ReferenceChoice, *, days: int
) -> None:
    uid = seeded.study_instance_uid
    findings = run_checks(context)
    facts = provisional_facts(None, SurgicalHistory(()), RECOGNITION, performed_on=seeded.performed_at.date())
    decision = decide(default_rules(), with_findings(facts, findings, has_baseline=context.baseline is not None))
    series = {each: f"{each}.1" for each in (BASELINE, CURRENT)}
    drawn = draw_evidence(context, findings)
    comparison = Comparison(
        findings, context.current.anatomy.spine.numbering, ("L4", "L5"), series, views=views_of(context, series, drawn)
    )
    document = result_document(
        study_instance_uid=uid,
        recognition=RECOGNITION,
        comparison=comparison,
        choice=choice,
        decision=decision,
        sr_path=f"studies/{uid}/series/{uid}.9/instances/{uid}.9.1",
    )
    performed = {"performed_at": seeded.performed_at.isoformat(), "description": "CT lumbar spine"}
    document["exam"] = {**performed, "revision": 1, "days_since_surgery": days, "planned": ["L4-L5"]}
    results = DatabaseResults(store, clock)
    results.save(uid, 1, document)
    results.save_pictures(uid, 1, [Picture(each.caption, each.view, each.checks, each.pixels) for each in drawn])
    publications = DatabasePublications(store, clock)
    publications.owe(uid, 1, "archive", f"{uid}.9.1", "sr")
    publications.sent(uid, 1, "archive", f"{uid}.9.1")
    _seed_workitem(store, clock, seeded, decision)
    history = {"operations": [_operation()], "planned": [], "overruled": [], "is_denied": False}
    match = {"choice": choice_document(choice), "history": history, "days_since_surgery": {uid: days, BASELINE: 4}}
    triage = {"decision": decision_document(decision), "facts": facts_document(facts)}
    compare = {"comparison": comparison_document(comparison)}
    steps = {"complete": {}, "match": match, "compare": compare, "triage": triage, "publish": {}}
    _seed_path(store, clock, uid, "done", {name: ("done", result, None) for name, result in steps.items()})


def _operation() -> dict[str, Any]:
    return {
        "earliest": OPERATED.isoformat(),
        "latest": OPERATED.isoformat(),
        "levels": ["L4-L5"],
        "procedures": ["TLIF"],
        "side": None,
        "source": "OPERATIVE_RECORD",
        "confidence": 0.9,
        "evidence": "The operative record says so.",
        "doubt": None,
    }


def _seed_workitem(
    store: Store, clock: Clock, seeded: Study, decision: TriageDecision, *, has_report: bool = True
) -> None:
    uid = seeded.study_instance_uid
    report = StoredObject(uid, f"{uid}.9", "1.2.840.10008.5.1.4.1.1.88.34", f"{uid}.9.1")
    dataset = reading_workitem(
        seeded,
        decision,
        workitem_uid=f"{uid}.77",
        scheduled_at=clock.now() - timedelta(minutes=12),
        source=RetrievalSource("ORTHANC"),
        patient_name=NAME,
        report=report if has_report else None,
    )
    DatabaseWorkitems(store, clock).upsert_reading(f"{uid}.77", uid, dataset)


def _seed_path(
    store: Store, clock: Clock, uid: str, state: str, steps: dict[str, tuple[str, dict, str | None]]
) -> None:
    now = clock.now()
    with store.begin() as session:
        session.add(
            ExamRow(
                study_instance_uid=uid,
                revision=1,
                state=state,
                patient=patient_document(PATIENT),
                sender="ORTHANC",
                first_instance_at=now - timedelta(minutes=14),
                last_instance_at=now - timedelta(minutes=13),
                completed_at=now - timedelta(minutes=12),
                note=next((error for _, _, error in steps.values() if error), None),
            )
        )
        session.flush()
        for name, (step_state, result, error) in steps.items():
            session.add(
                StepRow(
                    study_instance_uid=uid,
                    revision=1,
                    name=name,
                    state=step_state,
                    attempts=3 if error else 1,
                    not_before=now,
                    rung_at=now,
                    error=error,
                    result=result,
                    created_at=now - timedelta(minutes=12),
                    started_at=now - timedelta(minutes=11),
                    finished_at=now - timedelta(minutes=10),
                )
            )


def _seed_others(store: Store, clock: Clock) -> None:
    """A failed exam, a radiograph that waits for its report, something in quarantine."""
    error = "The worker ended each time before it was done."
    _seed_path(store, clock, FAILED, "failed", {"complete": ("done", {}, None), "compare": ("failed", {}, error)})
    with store.begin() as session:
        lost = {"study_instance_uid": FAILED, "revision": 1, "name": "compare", "holder": "worker-measure@host"}
        for attempt, kind in enumerate(("lost", "lost", "failed"), start=1):
            at = clock.now() - timedelta(minutes=11 - attempt / 3)
            sentence = error if kind == "failed" else "The worker ended, or was cut off, before it was done."
            session.add(StepEventRow(**lost, attempt=attempt, kind=kind, sentence=sentence, at=at))
    on = datetime(2026, 6, 9, 11, 0, tzinfo=UTC)
    decision = TriageDecision(Priority.ROUTINE, ("Only radiographs; nothing was measured.",))
    _seed_workitem(store, clock, study(RADIOGRAPH, on, "DX"), decision, has_report=False)
    with store.begin() as session:
        session.add(
            DeliveryRow(
                destination="ris",
                kind="result",
                key=f"{CURRENT}/1",
                study_instance_uid=CURRENT,
                revision=1,
                notice={},
                state="dead",
                attempts=8,
                not_before=clock.now(),
                created_at=clock.now(),
                error="The receiver rejected the message (AR).",
            )
        )
        session.add(
            QuarantineRow(
                reason="truncated",
                sentence="The dataset ends inside an element.",
                sender="MODALITY",
                received_at=clock.now(),
                study_instance_uid=FAILED,
            )
        )


def ct_files(uid: str, volume: Volume) -> list[bytes]:
    """A volume as CT slices of one series."""
    axes = volume.lps_from_index[:3, :3] / volume.spacing_mm
    files = []
    for index, pixels in enumerate(volume.voxels):
        dataset = _header(uid, "CT", str(CTImageStorage), index + 1)
        dataset.ImagePositionPatient = [float(v) for v in volume.to_lps(np.array([0.0, 0.0, index]))]
        dataset.ImageOrientationPatient = [float(v) for v in (*axes[:, 0], *axes[:, 1])]
        dataset.PixelSpacing = [float(volume.spacing_mm[1]), float(volume.spacing_mm[0])]
        dataset.SliceThickness = float(volume.spacing_mm[2])
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        files.append(_file(dataset, np.round(pixels).astype(np.int16)))
    return files


def radiograph_file(uid: str) -> bytes:
    """A lateral radiograph of two bright blocks."""
    pixels = np.full((400, 300), 300, np.int16)
    pixels[80:160, 100:200], pixels[200:280, 105:205] = 900, 900
    dataset = _header(uid, "DX", str(DigitalXRayImageStorageForPresentation), 1)
    dataset.SeriesDescription = "Lumbar spine lateral"
    dataset.ImagerPixelSpacing = [0.5, 0.5]
    dataset.WindowCenter, dataset.WindowWidth = 600, 800
    return _file(dataset, pixels)


def _header(uid: str, modality: str, sop_class: str, number: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"{uid}.1.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, f"{uid}.1"
    dataset.FrameOfReferenceUID = f"{uid}.2"
    dataset.PatientName, dataset.PatientID, dataset.IssuerOfPatientID = NAME, PATIENT.patient_id, PATIENT.issuer
    dataset.StudyDate, dataset.StudyTime = "20260608", "093000"
    dataset.Modality, dataset.InstanceNumber, dataset.SeriesNumber = modality, number, 1
    return dataset


def _file(dataset: Dataset, pixels: np.ndarray) -> bytes:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = generate_uid(entropy_srcs=["tests"])
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def _store(orthanc_url: str, files: list[bytes]) -> None:
    with httpx.Client(base_url=orthanc_url, timeout=30) as client:
        for file in files:
            client.post("/instances", content=file).raise_for_status()
