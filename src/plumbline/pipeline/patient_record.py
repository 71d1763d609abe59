"""The patient behind an exam: merged records laid over its header, the orders of either, the studies of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plumbline.exams.identity import same_patients
from plumbline.exams.order_links import LinkedOrders, LinkPolicy, link_orders
from plumbline.exams.study import Study
from plumbline.pipeline.archive_ports import ArchiveStudy
from plumbline.pipeline.policy import SitePolicy
from plumbline.pipeline.ports import PathPorts


def known_study(study_instance_uid: str, ports: PathPorts) -> Study:
    """The study as held, its patient with every identifier that merges tie to it.

    Reports are made from what was received; this is for finding orders and earlier exams.
    """
    study = ports.images.study(study_instance_uid)
    linked = ports.patients.linked(study.patient)
    if not linked:
        return study
    others = tuple(dict.fromkeys((*study.patient.other_ids, *linked)))
    return replace(study, patient=replace(study.patient, other_ids=others))


def orders_of(study: Study, ports: PathPorts, policy: SitePolicy) -> LinkedOrders:
    """Orders of a study and of its patient, never of another one."""
    return link_orders(ports.orders.concerning(study), study, LinkPolicy(policy.order_days, policy.priors.identity))


def archived_studies(study: Study, ports: PathPorts) -> tuple[ArchiveStudy, ...]:
    """What the archive lists under every ID of the patient of a ``known_study``; whose they are is not judged yet."""
    others = (identifier for identifier, _ in study.patient.other_ids)
    found = {
        each.study.study_instance_uid: each
        for patient_id in dict.fromkeys((study.patient.patient_id, *others))
        for each in ports.archive.studies_of(patient_id)
    }
    return tuple(found.values())


def others_of(study: Study, listed: Sequence[ArchiveStudy], policy: SitePolicy) -> list[Study]:
    """The same patient's other studies among those that archives listed. Never another patient's."""
    others = [each.study for each in listed if each.study.study_instance_uid != study.study_instance_uid]
    answers = same_patients(study.patient, [each.patient for each in others], policy.priors.identity)
    return [other for other, answer in zip(others, answers, strict=True) if answer.is_same]
