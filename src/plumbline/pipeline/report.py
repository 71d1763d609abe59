"""Step 8, report: the SR, the key object selection and the evidence pictures, built from what earlier steps left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from plumbline import ALGORITHM_VERSION
from plumbline.errors import InvalidInput
from plumbline.exams.recognition import recognise
from plumbline.exams.study import Instance, Study
from plumbline.pipeline.documents import (
    Comparison,
    choice_from_document,
    comparison_from_document,
    decision_from_document,
)
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import (
    Images,
    PathPorts,
    Picture,
    Proceed,
    ReportObject,
    Step,
    StepName,
    StepOutcome,
)
from plumbline.pipeline.withdrawal import KEY_OBJECTS
from plumbline.priors.choice import Reference, ReferenceChoice
from plumbline.reports.content import (
    EvidencePicture,
    KeyImage,
    PredecessorReport,
    ReferenceStudy,
    ReportContent,
    ReportedStudy,
    ReportingDevice,
)
from plumbline.reports.published import ReportObjects, as_file, build_report_objects
from plumbline.triage.priority import TriageDecision


@dataclass(frozen=True)
class ReportInputs:
    """What the report of one revision is made from."""

    study: Study
    comparison: Comparison
    choice: ReferenceChoice
    days_since_surgery: Mapping[str, int | None]
    """By Study Instance UID; negative before the operation."""
    decision: TriageDecision
    pictures: Sequence[Picture]
    revision: int
    created_at: datetime
    device_uid: str
    predecessor: PredecessorReport | None = None


def report_step(step: Step, ports: PathPorts, policy: SitePolicy) -> StepOutcome:
    """Step function: build every object and keep it as a file until it is published."""
    uid, revision = step.study_instance_uid, step.revision
    matched = ports.steps.result(uid, revision, StepName.MATCH)
    comparison = comparison_from_document(ports.steps.result(uid, revision, StepName.COMPARE)["comparison"])
    decision = decision_from_document(ports.steps.result(uid, revision, StepName.TRIAGE)["decision"])
    exam = ports.exams.exam(uid)
    objects = build_report(
        ReportInputs(
            study=ports.images.study(uid),
            comparison=comparison,
            choice=choice_from_document(matched["choice"]),
            days_since_surgery=matched["days_since_surgery"],
            decision=decision,
            pictures=ports.results.pictures(uid, revision),
            revision=revision,
            created_at=(exam.completed_at or exam.last_instance_at).astimezone(policy.time_zone),
            device_uid=policy.device_uid,
            predecessor=_predecessor(uid, revision, ports),
        ),
        ports.images,
    )
    kept = report_files(objects)
    ports.results.save_objects(uid, revision, kept)
    return Proceed({"objects": {each.sop_instance_uid: each.kind for each in kept}})


def report_files(objects: ReportObjects) -> list[ReportObject]:
    """The objects as DICOM files, what others refer to first."""
    kinds = [*("picture" for _ in objects.pictures), *([KEY_OBJECTS] if objects.key_objects else []), "sr"]
    return [
        ReportObject(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            sop_class_uid=str(dataset.SOPClassUID),
            kind=kind,
            part10=as_file(dataset),
        )
        for dataset, kind in zip(objects.all, kinds, strict=True)
    ]


def _predecessor(study_instance_uid: str, revision: int, ports: PathPorts) -> PredecessorReport | None:
    """The newest report of an earlier revision, which this one supersedes."""
    for earlier in range(revision - 1, 0, -1):
        for each in ports.results.objects(study_instance_uid, earlier):
            if each.kind == "sr":
                return PredecessorReport(each.sop_instance_uid, each.series_instance_uid)
    return None


def build_report(inputs: ReportInputs, images: Images) -> ReportObjects:
    """All DICOM objects that are published for one revision of an exam."""
    used = [each for each in inputs.choice.considered if _is_used(each, inputs.comparison)]
    flagged = list(_flagged(inputs, images))
    references = tuple(ReferenceStudy(each, _reported(images, each.study_instance_uid, inputs)) for each in used)
    current = _reported(images, inputs.study.study_instance_uid, inputs)
    sources = _measured_instances(current, *(each.study for each in references))
    content = ReportContent(
        current=current,
        findings=inputs.comparison.findings,
        triage=inputs.decision,
        device=ReportingDevice(device_uid=inputs.device_uid),
        algorithm_version=ALGORITHM_VERSION,
        created_at=inputs.created_at,
        revision=inputs.revision,
        references=references,
        missing_references=inputs.choice.missing,
        numbering=inputs.comparison.numbering,
        levels_in_view=inputs.comparison.levels_in_view,
        warnings=inputs.comparison.warnings,
        pictures=tuple(_evidence(picture, inputs, sources) for picture in inputs.pictures),
        key_images=(*_key_images(inputs, images), *(image for _, image in flagged)),
        predecessor=inputs.predecessor,
        flagged=tuple(
            study for study, _ in flagged if study.study_instance_uid not in {r.study_instance_uid for r in used}
        ),
    )
    return build_report_objects(content)


def _is_used(reference: Reference, comparison: Comparison) -> bool:
    """Whether an exam was chosen and its images were at hand for the comparison."""
    return reference.role is not None and reference.study_instance_uid in comparison.measured_series


def _reported(images: Images, study_uid: str, inputs: ReportInputs) -> ReportedStudy:
    series_uid = inputs.comparison.measured_series.get(study_uid)
    headers = images.headers(study_uid, series_uid)
    days = inputs.days_since_surgery.get(study_uid)
    return ReportedStudy(tuple(headers), measured_series_uid=series_uid, days_since_surgery=days)


def _measured_instances(*studies: ReportedStudy) -> tuple[str, ...]:
    """SOP Instance UIDs of the measured series: the volumes that every picture is cut from."""
    return tuple(
        str(instance.SOPInstanceUID)
        for study in studies
        for instance in study.evidence
        if str(instance.SeriesInstanceUID) == study.measured_series_uid
    )


def _evidence(picture: Picture, inputs: ReportInputs, sources: tuple[str, ...]) -> EvidencePicture:
    about = tuple(i for i, finding in enumerate(inputs.comparison.findings) if finding.check.value in picture.checks)
    return EvidencePicture(
        picture.pixels, picture.caption, picture.view, findings=about, source_sop_instance_uids=sources
    )


def _key_images(inputs: ReportInputs, images: Images) -> Iterator[KeyImage]:
    """The slice through the finding in the current exam, and through the same place in each reference."""
    for study_uid, place in _places(inputs.comparison):
        series_uid = inputs.comparison.measured_series.get(study_uid)
        series = next((s for s in images.study(study_uid).series if s.series_instance_uid == series_uid), None)
        nearest = None if series is None else _nearest(series.instances, place)
        if nearest is not None:
            yield KeyImage(nearest.sop_instance_uid, "Slice through the implant that was measured")


def _flagged(inputs: ReportInputs, images: Images) -> Iterator[tuple[ReportedStudy, KeyImage]]:
    """The chosen exams in which no implant was measured, each with the middle image of its best series."""
    for reference in inputs.choice.considered:
        uid = reference.study_instance_uid
        if reference.role is None or uid in inputs.comparison.implant_places:
            continue
        try:
            study = images.study(uid)
            best = inputs.comparison.measured_series.get(uid) or next(iter(recognise(study).measurable_series), None)
            instances = next((one.instances for one in study.series if one.series_instance_uid == best), ())
            if instances:
                middle = sorted(instances, key=lambda one: one.instance_number or 0)[len(instances) // 2]
                told = f"Earlier exam to compare with: {reference.role.value}"
                yield ReportedStudy(tuple(images.headers(uid, best))), KeyImage(middle.sop_instance_uid, told)
        except InvalidInput:
            continue  # not held, or without what a reference to it needs: it is flagged in the workitem alone


def _places(comparison: Comparison) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """(Study Instance UID, LPS point) of the implant in each study, from the findings' geometry."""
    places: Mapping[str, Any] = comparison.implant_places
    for study_uid, point in places.items():
        yield study_uid, np.array(point, dtype=float)


def _nearest(instances: Sequence[Instance], place: np.ndarray[Any, Any]) -> Instance | None:
    """The slice whose plane lies nearest to a point."""
    best: tuple[float, Instance] | None = None
    for each in instances:
        if each.image_position_lps_mm is None or each.image_orientation is None:
            continue
        cosines = np.array(each.image_orientation)
        normal = np.cross(cosines[:3], cosines[3:])
        distance = abs(float((place - np.array(each.image_position_lps_mm)) @ normal))
        if best is None or distance < best[0]:
            best = distance, each
    return None if best is None else best[1]
