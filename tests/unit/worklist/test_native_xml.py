from datetime import UTC, datetime

import pytest

from plumbline.testing import invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist.native_xml import from_xml, to_xml
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.refusals import WorkitemInvalid

MODEL = b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">%s</NativeDicomModel>'


def test_a_reading_workitem_survives_the_round_trip():
    workitem = reading_workitem(
        invented_ct_study(1),
        TriageDecision(Priority.URGENT, ("Moved <3 mm & rotated.", "47 days since surgery.")),
        workitem_uid="2.25.1",
        scheduled_at=datetime(2026, 3, 1, tzinfo=UTC),
        source=RetrievalSource("ORTHANC", "http://127.0.0.1/dicom-web"),
        patient_name="Müller^Zoë^^Dr=山田^太郎",
    )
    assert from_xml(to_xml(workitem)) == workitem


def test_numbers_binary_and_bulk_data_survive_the_round_trip():
    dataset = {
        "00001002": {"vr": "US", "Value": [1]},
        "00091001": {"vr": "UN", "InlineBinary": "AAEC"},
        "00091002": {"vr": "OB", "BulkDataURI": "http://127.0.0.1/bulk"},
        "00091003": {"vr": "FD", "Value": [1.5, 2]},
    }
    assert from_xml(to_xml(dataset)) == dataset


@pytest.mark.parametrize(
    "content",
    [
        b"<Other/>",
        b'<DicomAttribute tag="00741000" vr="CS" xmlns="urn:other"/>',
        b'<DicomAttribute tag="00001002" vr="US"><Value number="1">many</Value></DicomAttribute>',
        b'<DicomAttribute tag="00404021" vr="SQ"><Item>' * 40 + b"</Item></DicomAttribute>" * 40,
    ],
)
def test_what_is_no_model_is_refused(content):
    with pytest.raises(WorkitemInvalid):
        from_xml(MODEL % content)
