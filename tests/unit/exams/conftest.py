"""Studies, series and instances with just the attributes a test is about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from plumbline.exams.study import Instance, PatientIdentity, Series, Study

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


class ExamFactory:
    """Builds exams; whatever is not said is ordinary."""

    def instance(self, number: int = 1, **changed: Any) -> Instance:
        """One axial slice of 512 x 512 at 0.5 mm, 1 mm apart."""
        attributes: dict[str, Any] = {
            "sop_instance_uid": f"1.2.{number}",
            "sop_class_uid": CT_IMAGE_STORAGE,
            "instance_number": number,
            "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
            "rows": 512,
            "columns": 512,
            "image_position_lps_mm": (-128.0, -128.0, float(number)),
            "image_orientation": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            "pixel_spacing_mm": (0.5, 0.5),
        }
        return Instance(**{**attributes, **changed})

    def series(
        self, *, slices: int = 40, modality: str = "CT", slice_changes: dict[str, Any] | None = None, **changed: Any
    ) -> Series:
        """An axial CT series, or a radiograph of one image."""
        is_volume = modality in ("CT", "MR")
        count = slices if is_volume else 1
        instances = tuple(self.instance(i + 1, **(slice_changes or {})) for i in range(count))
        return Series(**{"series_instance_uid": "1.2.3.1", "modality": modality, "instances": instances, **changed})

    def study(self, *series: Series, day: str | None = "2026-06-01", uid: str = "1.2.3", **changed: Any) -> Study:
        """A study of one patient on a day."""
        attributes: dict[str, Any] = {
            "study_instance_uid": uid,
            "patient": PatientIdentity("P1", "HOSPITAL"),
            "series": series or (self.series(),),
            "performed_at": datetime.fromisoformat(day) if day else None,
        }
        return Study(**{**attributes, **changed})


@pytest.fixture
def exams() -> ExamFactory:
    """The factory."""
    return ExamFactory()
