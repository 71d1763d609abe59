"""Label maps written as DICOM SEG by highdicom, of the kinds that tools in the field write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import highdicom
import numpy as np
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from plumbline.anatomy.segment_names import SACRUM, VERTEBRA_BY_SCT
from plumbline.imaging.volume import Volume
from plumbline.phantom.ct_files import VENDORS, ExamHeader, ct_files

SCT_BY_VERTEBRA = {name: value for value, name in VERTEBRA_BY_SCT.items()}
BONE = Code("272673000", "SCT", "Bone")
_HEADER = ExamHeader(
    key="segmentation-test",
    patient_id="VP1",
    issuer="PHANTOM",
    virtual_name="Phantom^Map",
    birth_date=date(1950, 1, 1),
    sex="O",
    performed_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC).replace(tzinfo=None),
    study_description="CT Lumbar Spine",
    body_part="LSPINE",
    reason=None,
    accession_number="A00010001",
    vendor=VENDORS[0],
)


def source_images(volume: Volume) -> list[Dataset]:
    """The CT slices of a volume, in the order of the volume's slices."""
    slices = [each for each in ct_files(volume, _HEADER) if "LOCALIZER" not in each.ImageType]
    return sorted(slices, key=lambda each: float(each.ImagePositionPatient[2]))


def vertebra_code(name: str) -> Code:
    """SNOMED CT code of a vertebra, or of bone where it has none."""
    return Code(SCT_BY_VERTEBRA[name], "SCT", f"{name} vertebra") if name in SCT_BY_VERTEBRA else BONE


def segmentation(
    sources: Sequence[Dataset],
    masks: Mapping[str, np.ndarray],
    *,
    kind: SegmentationTypeValues = SegmentationTypeValues.BINARY,
    codes_by_label: Mapping[str, Code] | None = None,
    label: str = "vertebrae_{name}",
    omit_empty_frames: bool = True,
) -> Segmentation:
    """A SEG of masks (slices, rows, columns) by name on the grid of the sources.

    Parameters
    ----------
    codes_by_label
        Property type by name; the vertebrae's own codes where it is None.
    label
        Segment Label, with ``{name}`` in it.
    """
    algorithm = AlgorithmIdentificationSequence("TestSegmenter", codes.DCM.ArtificialIntelligence, "1.0")
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=label.format(name=name),
            segmented_property_category=Code("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=(codes_by_label or {}).get(name) or _code(name),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(masks, start=1)
    ]
    return Segmentation(
        source_images=list(sources),
        pixel_array=_pixels(masks, kind),
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=300,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="Nobody",
        manufacturer_model_name="Test",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=omit_empty_frames,
    )


def _code(name: str) -> Code:
    return Code(SCT_BY_VERTEBRA[SACRUM], "SCT", "Sacrum") if name == SACRUM else vertebra_code(name)


def _pixels(masks: Mapping[str, np.ndarray], kind: SegmentationTypeValues) -> np.ndarray:
    if kind is SegmentationTypeValues.LABELMAP:
        numbered = np.zeros(next(iter(masks.values())).shape, dtype=np.uint8)
        for number, mask in enumerate(masks.values(), start=1):
            numbered[mask > 0] = number
        return numbered
    stacked = np.stack(list(masks.values()), axis=-1)
    return stacked.astype(np.float32) if kind is SegmentationTypeValues.FRACTIONAL else stacked.astype(np.uint8)
