"""What a performer writes into a workitem before it may be completed."""

from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.dataset import coded, element, sequence


def finished_work() -> dict[str, Any]:
    """Attributes that PS3.4 table CC.2.5-3 requires of a completed workitem."""
    output = {
        "0040E020": element("CS", "DICOM"),
        "0020000D": element("UI", "2.25.771"),
        "0020000E": element("UI", "2.25.771.9"),
        "00081199": sequence({"00081150": element("UI", "1.2"), "00081155": element("UI", "1.3")}),
        "0040E021": sequence({"00080054": element("AE", "ORTHANC")}),
    }
    performed = {
        "00404028": sequence(coded("R1", "99X", "Room")),
        "00404019": sequence(coded("110005", "DCM", "Interpretation")),
        "00404050": element("DT", "20260302"),
        "00404051": element("DT", "20260302"),
        tags.OUTPUTS: sequence(output),
    }
    return {tags.PERFORMED: sequence(performed)}
