"""Worklist files: what Orthanc's plugin and a modality read in them."""

import pytest
from pydicom import dcmread

from plumbline.adapters.modality_worklist.files import WorklistFiles
from plumbline.errors import Unavailable
from tests.unit.pipeline.outbox_cases import delivery


def test_an_exam_has_one_file_with_its_priority(tmp_path):
    files = WorklistFiles(tmp_path / "worklists", "READING")
    files.deliver(delivery(1), ())
    files.deliver(delivery(1, attempts=2), ())
    files.deliver(delivery(2), ())
    assert sorted(path.name for path in (tmp_path / "worklists").iterdir()) == ["2.25.771.wl", "2.25.772.wl"]
    item = dcmread(tmp_path / "worklists" / "2.25.771.wl")
    assert (item.RequestedProcedurePriority, item.AccessionNumber, item.PatientID) == ("HIGH", "A00001", "PLB-0001")
    step = item.ScheduledProcedureStepSequence[0]
    assert (step.ScheduledStationAETitle, step.Modality) == ("READING", "CT")
    assert step.ScheduledProcedureStepDescription == "URGENT: L4-L5: the spacer moved."
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260301", "100000")


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        WorklistFiles(tmp_path / "file", "READING").deliver(delivery(1), ())
