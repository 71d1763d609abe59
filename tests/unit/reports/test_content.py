from dataclasses import replace

import numpy as np
import pytest

from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Reference, Role
from plumbline.reports.content import EvidencePicture, KeyImage, ReferenceStudy, ReportedStudy
from tests.conformance.report_cases import (
    ROOT,
    SPACER,
    ct_header,
    full_report,
    migration,
    picture,
    plain_report,
    reference,
    report_with_failed_checks,
    study,
)


def test_a_study_without_instances_is_refused() -> None:
    with pytest.raises(InvalidInput, match="without instances"):
        ReportedStudy(())


def test_an_instance_that_cannot_be_referred_to_is_refused_with_what_it_lacks() -> None:
    header = ct_header(1, 1)
    del header.SOPClassUID
    header.SeriesInstanceUID = ""
    with pytest.raises(InvalidInput, match="SOPClassUID, SeriesInstanceUID is missing"):
        ReportedStudy((header,))


def test_instances_of_two_studies_are_refused() -> None:
    with pytest.raises(InvalidInput, match="more than one study"):
        ReportedStudy((ct_header(1, 1), ct_header(2, 1)))


def test_the_measured_series_gives_header_and_frame_of_reference() -> None:
    other = ct_header(1, 9)
    other.SeriesInstanceUID = f"{ROOT}.1.2"
    other.FrameOfReferenceUID = f"{ROOT}.1.99"
    exam = ReportedStudy((ct_header(1, 1), other), measured_series_uid=f"{ROOT}.1.2")
    assert exam.header is other
    assert exam.frame_of_reference_uid == f"{ROOT}.1.99"


def test_a_radiograph_has_no_frame_of_reference() -> None:
    header = ct_header(1, 1)
    del header.FrameOfReferenceUID
    assert ReportedStudy((header,)).frame_of_reference_uid is None


def test_a_rejected_candidate_cannot_be_a_reference() -> None:
    exam = study(2)
    with pytest.raises(InvalidInput, match="rejected"):
        ReferenceStudy(Reference(exam.study_instance_uid, None, False, 0.1), exam)


def test_evidence_of_another_study_cannot_be_a_reference() -> None:
    with pytest.raises(InvalidInput, match="its evidence is of study"):
        ReferenceStudy(Reference("1.2.3", Role.BASELINE, True, 0.9), study(2))


def test_two_baselines_are_refused() -> None:
    references = (reference(2, Role.BASELINE, 12), reference(3, Role.BASELINE, 20))
    with pytest.raises(InvalidInput, match="same role"):
        replace(plain_report(), references=references)


def test_the_current_study_is_no_reference_of_itself() -> None:
    with pytest.raises(InvalidInput, match="its own references"):
        replace(plain_report(), references=(reference(4, Role.BASELINE, 12),))


def test_a_finding_cannot_be_compared_with_an_unknown_role() -> None:
    with pytest.raises(InvalidInput, match="unknown kind of reference"):
        replace(plain_report(), findings=(replace(migration(), reference="yesterday"),))


def test_key_images_and_sources_must_be_among_the_evidence() -> None:
    with pytest.raises(InvalidInput, match="not among the evidence"):
        replace(full_report(), key_images=(KeyImage("1.2.3", "nowhere"),))
    with pytest.raises(InvalidInput, match="not among the evidence"):
        replace(full_report(), pictures=(replace(picture(), source_sop_instance_uids=("1.2.3",)),))


def test_a_picture_must_show_a_finding_that_exists() -> None:
    with pytest.raises(InvalidInput, match="finding that is not there"):
        replace(full_report(), pictures=(replace(picture(), findings=(99,)),))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint16), np.zeros((0, 4, 3), np.uint8)]
)
def test_a_picture_must_be_rgb_of_8_bits(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="RGB of 8 bits"):
        EvidencePicture(pixels, "nothing", "axial")


def test_a_failed_check_or_a_warning_makes_the_report_incomplete() -> None:
    assert full_report().is_complete
    assert not report_with_failed_checks().is_complete
    assert not replace(full_report(), warnings=("No disk space for pictures",)).is_complete


def test_an_implant_keeps_its_uid_and_other_findings_keep_theirs_over_revisions() -> None:
    first, second = full_report(), replace(full_report(), revision=7, algorithm_version="9.9")
    assert first.tracking_uid(first.findings[0]) == SPACER.tracking_uid
    untracked = first.findings[1]
    assert first.tracking_uid(untracked) == second.tracking_uid(untracked)
    assert len({first.tracking_uid(finding) for finding in first.findings}) == 4


def test_findings_without_implant_are_told_apart_by_check_and_level() -> None:
    content = plain_report()
    findings = [
        Finding(check, level, Status.NEGATIVE, ())
        for check in (CheckName.LEVEL_ERROR, CheckName.NEW_FRACTURE)
        for level in ("L3-L4", "L4-L5", None)
    ]
    assert len({content.tracking_uid(finding) for finding in findings}) == 6


def test_an_image_speaks_for_the_study_before_other_objects() -> None:
    private = ct_header(1, 1)
    del private.Rows
    image = ct_header(1, 2)
    assert ReportedStudy((private, image)).header is image
    assert ReportedStudy((private,)).header is private
