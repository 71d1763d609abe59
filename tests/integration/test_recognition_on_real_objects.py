"""Recognition on DICOM objects that others' systems wrote: scanners, dcmqi, toolkits. Tried on, not tuned to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from plumbline.adapters.dicom_files.headers import study_from_headers
from plumbline.exams.recognition import ExamKind, recognise
from plumbline.exams.series_roles import judge_series

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.real_data


def headers(folder: str) -> dict[str, list]:
    """Headers by Study Instance UID of everything in a folder that is DICOM."""
    if not (DATA / folder).is_dir():
        pytest.skip(f"the real objects of {folder} are not here (../shared/data)")
    studies: dict[str, list] = {}
    for path in sorted(each for each in (DATA / folder).rglob("*") if each.is_file()):
        try:
            dataset = dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        studies.setdefault(str(dataset.get("StudyInstanceUID", "")), []).append(dataset)
    return studies


def test_a_real_ct_series_may_be_measured_and_its_slices_are_counted_by_position():
    (held,) = headers("ct-dicom-jpeg2000").values()
    told = recognise(study_from_headers(held))
    assert told.modality == "CT"
    (role,) = told.series
    assert role.measurable, role.reason
    assert role.slice_thickness_mm == pytest.approx(2.0, abs=0.01)
    assert role.plane == "axial"
    assert told.kind is ExamKind.OTHER or told.levels_in_view == (), "40 mm cannot hold the vertebrae of a region"


@pytest.mark.parametrize("folder", ["sr-third-party", "seg-third-party"])
def test_reports_and_segmentations_are_never_measured(folder: str):
    studies = headers(folder)
    assert studies
    for held in studies.values():
        for series in study_from_headers(held).series:
            role = judge_series(series)
            assert not role.measurable, role
            assert role.reason
