from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from plumbline.errors import InvalidInput
from plumbline.reports.content import KeyImage
from plumbline.reports.key_objects import build_key_objects
from tests.conformance.report_cases import ROOT, full_report, plain_report
from tests.conformance.tid1500 import concept


@pytest.fixture(scope="module")
def selection() -> Dataset:
    return build_key_objects(full_report())


def test_current_and_prior_images_are_selected_in_order(selection: Dataset) -> None:
    chosen = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in selection.ContentSequence
        if item.ValueType == "IMAGE"
    ]
    assert chosen == [f"{ROOT}.4.1.2", f"{ROOT}.2.1.2"]


def test_the_selection_lies_in_the_current_study_under_its_title(selection: Dataset) -> None:
    assert selection.SOPClassUID == KeyObjectSelectionDocumentStorage
    assert (selection.Modality, selection.StudyInstanceUID) == ("KO", f"{ROOT}.4")
    assert concept(selection) == "DCM:113000"
    assert selection.ContentTemplateSequence[0].TemplateIdentifier == "2010"


def test_the_selection_says_why() -> None:
    selection = build_key_objects(replace(full_report(), revision=1, predecessor=None))
    (description,) = [item for item in selection.ContentSequence if concept(item) == "DCM:113012"]
    assert description.TextValue == "Spacer at L4-L5, current\nSpacer at L4-L5, baseline"


def test_a_later_selection_says_that_it_takes_the_place_of_others(selection: Dataset) -> None:
    (description,) = [item for item in selection.ContentSequence if concept(item) == "DCM:113012"]
    assert description.TextValue.startswith("Revision 2, in the place of earlier selections of this study\nSpacer")


def test_evidence_covers_every_study_that_is_referred_to(selection: Dataset) -> None:
    studies = {study.StudyInstanceUID for study in selection.CurrentRequestedProcedureEvidenceSequence}
    assert studies == {f"{ROOT}.4", f"{ROOT}.2"}


def test_an_image_named_twice_is_selected_once() -> None:
    twice = (KeyImage(f"{ROOT}.4.1.1", "first"), KeyImage(f"{ROOT}.4.1.1", "second"))
    selection = build_key_objects(replace(full_report(), key_images=twice))
    assert [item.ValueType for item in selection.ContentSequence].count("IMAGE") == 1


def test_prior_images_alone_can_be_selected() -> None:
    selection = build_key_objects(replace(full_report(), key_images=(KeyImage(f"{ROOT}.2.1.1", "baseline"),)))
    assert [s.StudyInstanceUID for s in selection.CurrentRequestedProcedureEvidenceSequence] == [f"{ROOT}.2"]


def test_without_key_images_there_is_no_selection() -> None:
    with pytest.raises(InvalidInput, match="no key image"):
        build_key_objects(plain_report())


def test_an_earlier_exam_that_was_not_measured_can_be_flagged_by_an_image() -> None:
    full = full_report()
    elsewhere = next(one.study for one in full.references if one.study.study_instance_uid == f"{ROOT}.2")
    others = tuple(one for one in full.references if one.study is not elsewhere)
    image = KeyImage(f"{ROOT}.2.1.1", "Earlier exam to compare with: prior")
    report = replace(full, references=others, pictures=(), key_images=(image,), flagged=(elsewhere,))
    assert f"{ROOT}.2" not in {str(one.StudyInstanceUID) for one in report.evidence}
    selection = build_key_objects(report)
    assert [s.StudyInstanceUID for s in selection.CurrentRequestedProcedureEvidenceSequence] == [f"{ROOT}.2"]
