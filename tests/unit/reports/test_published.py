from plumbline.reports.published import build_report_objects
from tests.conformance.report_cases import full_report, plain_report


def test_what_others_refer_to_is_stored_first() -> None:
    objects = build_report_objects(full_report())
    assert [dataset.Modality for dataset in objects.all] == ["OT", "KO", "SR"]


def test_a_report_without_key_images_has_no_selection() -> None:
    objects = build_report_objects(plain_report())
    assert objects.key_objects is None
    assert objects.all == (objects.structured_report,)


def test_all_objects_have_their_own_uids() -> None:
    objects = build_report_objects(full_report()).all
    assert len({dataset.SOPInstanceUID for dataset in objects}) == 3
    assert len({dataset.SeriesInstanceUID for dataset in objects}) == 3
    assert len({dataset.StudyInstanceUID for dataset in objects}) == 1
