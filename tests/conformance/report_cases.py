"""Small exams and report contents for tests of reports: headers of a few CT slices, findings of every status."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation

from plumbline.anatomy.landmarks import Landmark
from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.checks.finding import CheckName, Finding, Measurement, Status, TrackedImplant
from plumbline.priors.choice import Reference, Role
from plumbline.reports.content import (
    EvidencePicture,
    KeyImage,
    PredecessorReport,
    ReferenceStudy,
    ReportContent,
    ReportedStudy,
    ReportingDevice,
)
from plumbline.triage.priority import Priority, TriageDecision

ROOT = "1.2.826.0.1.3680043.8.498.77"
SPACER = TrackedImplant("2.25.329800735698586629295641978511506172918", "spacer L4-L5", "spacer")
CREATED_AT = datetime(2024, 3, 14, 15, 9, 26)


def ct_header(study: int, instance: int, *, charset: str | list[str] = "ISO_IR 100", name: str = "Doe^Jane") -> Dataset:
    """Header of one axial CT slice, 512 x 512, 1 mm apart."""
    header = Dataset()
    header.SpecificCharacterSet = charset
    header.SOPClassUID = CTImageStorage
    header.SOPInstanceUID = f"{ROOT}.{study}.1.{instance}"
    header.StudyInstanceUID = f"{ROOT}.{study}"
    header.SeriesInstanceUID = f"{ROOT}.{study}.1"
    header.FrameOfReferenceUID = f"{ROOT}.{study}.9"
    header.Modality = "CT"
    header.PatientName = name
    header.PatientID = "P-0001"
    header.IssuerOfPatientID = "Site A"
    header.PatientBirthDate = "19600102"
    header.PatientSex = "F"
    header.StudyDate = f"202{study}0301"
    header.StudyTime = "101500"
    header.StudyID = str(study)
    header.AccessionNumber = f"A{study:04d}"
    header.ReferringPhysicianName = "Roe^Richard"
    header.StudyDescription = "CT lumbar spine"
    header.Manufacturer = "Scanner works"
    header.InstanceNumber = instance
    header.Rows = header.Columns = 512
    header.PixelSpacing = [0.5, 0.5]
    header.SliceThickness = 1.0
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient = [-128.0, -128.0, float(instance)]
    return header


def study(number: int, *, slices: int = 3, days: int | None = None, **header: object) -> ReportedStudy:
    """One CT study of a few slices."""
    return ReportedStudy(
        tuple(ct_header(number, i + 1, **header) for i in range(slices)),  # type: ignore[arg-type]
        days_since_surgery=days,
    )


def reference(number: int, role: Role, days: int) -> ReferenceStudy:
    exam = study(number, days=days)
    choice = Reference(
        exam.study_instance_uid, role, comparable=True, score=0.91, reasons=("Same modality and kernel",)
    )
    return ReferenceStudy(choice, exam)


def migration(status: Status = Status.POSITIVE) -> Finding:
    """A spacer that moved 3.1 mm backward."""
    return Finding(
        CheckName.SPACER_MIGRATION,
        "L4-L5",
        status,
        (
            "The spacer at L4-L5 lies 3.1 mm (95 % ± 0.4 mm) further posterior than in the baseline exam.",
            "This may mean that the fusion has failed; clinical correlation is needed.",
        ),
        {
            "translation_posterior_mm": Measurement(3.1, 0.4),
            "translation_cranial_mm": Measurement(-0.3, 0.4),
            "translation_left_mm": Measurement(0.1, 0.3),
            "translation_mm": Measurement(3.12, 0.5),
            "rotation_deg": Measurement(2.4, 1.1),
            "subsidence_mm": Measurement(0.2, 0.4),
            "posterior_margin_mm": Measurement(-0.6, 0.5),
            "baseline_posterior_margin_mm": Measurement(2.5, 0.5),
            "disc_height_mm": Measurement(8.1, 0.6),
            "baseline_disc_height_mm": Measurement(8.4, 0.6),
            "disc_height_lost_mm": Measurement(0.3, 0.2),
            "disc_height_lost_anterior_mm": Measurement(0.4, 0.3),
            "disc_height_lost_posterior_mm": Measurement(0.2, 0.3),
            "translation_posterior_above_mm": Measurement(3.0, 0.4),
        },
        reference="baseline",
        sources=("B26",),
        implant=SPACER,
        geometry={
            "displacement": ((0.0, 10.0, 2.0), (0.0, 13.1, 1.7)),
            "spacer_centre": ((0.0, 13.1, 1.7),),
        },
    )


def numbering() -> Numbering:
    return Numbering((Labelling(("L3", "L4", "L5", "S1"), 0.93), Labelling(("L2", "L3", "L4", "L5"), 0.07)), "sacrum")


DEVICE = ReportingDevice(f"{ROOT}.100", serial_number="SN-1", station_name="READ1")
STAT = TriageDecision(Priority.URGENT, ("Spacer at L4-L5 moved 3.1 mm backward",), ("spacer-moved",))
ROUTINE = TriageDecision(Priority.ROUTINE, ("No finding needs an earlier reading",))


def plain_report() -> ReportContent:
    """No findings, no references."""
    return ReportContent(study(4, days=370), (), ROUTINE, DEVICE, "0.1.0", CREATED_AT)


def full_report() -> ReportContent:
    """Moved spacer against a baseline, every status, pictures and key images, superseding an earlier report."""
    references = (reference(2, Role.BASELINE, 12), reference(1, Role.PREOPERATIVE, -20))
    findings = (
        migration(),
        Finding(CheckName.LEVEL_ERROR, "L4-L5", Status.NEGATIVE, ("Operated level is as planned",), sources=("B26",)),
        Finding(CheckName.SPACER_POSITION, "L4-L5", Status.INDETERMINATE, ("Streaks hide the margin",), implant=SPACER),
        Finding(CheckName.FUSION_STATUS, None, Status.NOT_APPLICABLE, ("Less than 12 months since surgery",)),
        Finding(
            CheckName.SCREW_LOOSENING,
            "L6-S1",
            Status.NEGATIVE,
            ("No lucent zone",),
            {"widest_lucent_zone_mm": Measurement(0.4, 0.3)},
            reference="preoperative",
        ),
    )
    return ReportContent(
        study(4, days=370),
        findings,
        STAT,
        DEVICE,
        "0.1.0",
        CREATED_AT,
        revision=2,
        references=references,
        missing_references={Role.PRIOR: "There is none between baseline and current"},
        numbering=numbering(),
        levels_in_view=("L3", "L4", "L5", "S1"),
        pictures=(picture(),),
        key_images=(
            KeyImage(f"{ROOT}.4.1.2", "Spacer at L4-L5, current"),
            KeyImage(f"{ROOT}.2.1.2", "Spacer at L4-L5, baseline"),
        ),
        predecessor=PredecessorReport(f"{ROOT}.4.98.1", f"{ROOT}.4.98"),
    )


def picture() -> EvidencePicture:
    rows, columns = np.mgrid[0:48, 0:64]
    pixels = np.stack([rows * 5, columns * 4, rows + columns], axis=-1).astype(np.uint8)
    return EvidencePicture(
        pixels, "Spacer at L4-L5, baseline and current", "sagittal", (0,), (f"{ROOT}.4.1.2", f"{ROOT}.2.1.2")
    )


def report_without_references() -> ReportContent:
    finding = Finding(CheckName.SPACER_MIGRATION, "L4-L5", Status.INDETERMINATE, ("No valid baseline",), implant=SPACER)
    return replace(plain_report(), findings=(finding,), missing_references={Role.BASELINE: "No comparable exam"})


def flagged_report() -> ReportContent:
    """Nothing was measured; an earlier exam is flagged by an image all the same."""
    image = KeyImage(f"{ROOT}.1.1.1", "Earlier exam to compare with: preoperative")
    return replace(report_without_references(), key_images=(image,), flagged=(study(1, days=-20),))


def report_with_failed_checks() -> ReportContent:
    no_number = {"translation_mm": Measurement(float("nan"), float("nan"))}
    failed = Finding(CheckName.SPACER_MIGRATION, "L4-L5", Status.FAILED, ("No convergence",), no_number)
    return replace(
        full_report(), findings=(failed, *full_report().findings[1:]), pictures=(), warnings=("One check failed",)
    )


def canal_report() -> ReportContent:
    """A spacer in the spinal canal: what cannot wait."""
    finding = Finding(
        CheckName.SPACER_POSITION,
        "L5-S1",
        Status.POSITIVE,
        ("The spacer reaches 4.2 mm into the spinal canal",),
        {"canal_intrusion_mm": Measurement(4.2, 0.6), "posterior_margin_mm": Measurement(-4.2, 0.6)},
        sources=("B26",),
        implant=SPACER,
        geometry={"spacer_centre": ((1.0, 22.0, 2.0),)},
    )
    decision = TriageDecision(Priority.STAT, ("Spacer in the spinal canal at L5-S1",), ("spacer-in-canal",))
    six_lumbar = Numbering(
        (Labelling(("L4", "L5", "L6", "S1"), 0.7), Labelling(("L3", "L4", "L5", "S1"), 0.3)), "sacrum"
    )
    return replace(full_report(), findings=(finding,), triage=decision, pictures=(), numbering=six_lumbar)


def ordered_report() -> ReportContent:
    """An exam with its order in the header, of a patient with more than one identifier."""
    exam = study(4, days=370)
    for header in exam.evidence:
        request, other = Dataset(), Dataset()
        request.RequestedProcedureID, request.RequestedProcedureDescription = "RP-7", "CT lumbar spine"
        other.PatientID, other.TypeOfPatientID = "Q-9", "TEXT"
        header.RequestAttributesSequence = [request]
        header.OtherPatientIDsSequence = [other]
        header.FillerOrderNumberImagingServiceRequest = "F-9"
    return replace(full_report(), current=exam)


def radiograph(number: int = 4) -> ReportedStudy:
    """A standing lateral radiograph."""
    header = ct_header(number, 1)
    header.SOPClassUID, header.Modality = DigitalXRayImageStorageForPresentation, "DX"
    header.Rows, header.Columns, header.ImagerPixelSpacing = 3000, 1500, [0.15, 0.15]
    for keyword in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient"):
        delattr(header, keyword)
    del header.FrameOfReferenceUID
    return ReportedStudy((header,), days_since_surgery=370)


def landmark(name: str, column: float, row: float, author: str = "Ada Reader") -> Landmark:
    return Landmark(f"{ROOT}.4.1", f"{ROOT}.4.1.1", name, column, row, author, CREATED_AT)


def landmark_report() -> ReportContent:
    """Alignment, measured on landmarks that a reader set on a radiograph."""
    finding = Finding(
        CheckName.SPINOPELVIC_ALIGNMENT,
        None,
        Status.POSITIVE,
        ("Pelvic incidence minus lumbar lordosis is 21 ± 3°, which is further from 0 than 10°.",),
        {
            "pelvic_incidence_minus_lordosis_deg": Measurement(21.0, 3.2),
            "pelvic_incidence_deg": Measurement(58.0, 3.0),
        },
        sources=("B26", "SCH12"),
        landmarks=(
            landmark("S1 superior endplate anterior", 610.5, 2100.25),
            landmark("S1 superior endplate posterior", 880.0, 2010.0),
            landmark("left femoral head centre", 640.0, 2600.0),
        ),
    )
    return replace(plain_report(), current=radiograph(), findings=(finding,))


def report_of(name: str, charset: str | list[str]) -> ReportContent:
    """The full report of a patient whose name needs another character set."""
    return replace(full_report(), current=study(4, days=370, name=name, charset=charset))


NAMES = {
    "latin1": ("Müller^Jürgen", "ISO_IR 100"),
    "utf8": ("Ångström^Łucja", "ISO_IR 192"),
    "japanese": ("Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
}


def all_reports() -> dict[str, ReportContent]:
    reports = {
        "full": full_report(),
        "plain": plain_report(),
        "without-references": report_without_references(),
        "flagged": flagged_report(),
        "failed-checks": report_with_failed_checks(),
        "canal": canal_report(),
        "ordered": ordered_report(),
        "landmarks": landmark_report(),
    }
    return reports | {label: report_of(*value) for label, value in NAMES.items()}
