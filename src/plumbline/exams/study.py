"""The exam as the headers describe it: Patient, Study, Series, Instance. Plain values, no DICOM library.

Adapters fill these from DICOM files or from DICOM JSON; every attribute that a sender may leave out
may be None or empty here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who the exam says it is of. Never written to a log.

    ``patient_id`` (0010,0020) means something only together with ``issuer`` (0010,0021).
    """

    patient_id: str
    issuer: str | None = None
    birth_date: date | None = None
    sex: str | None = None
    other_ids: tuple[tuple[str, str | None], ...] = ()
    """Further (patient ID, issuer) pairs of Other Patient IDs Sequence (0010,1002)."""


@dataclass(frozen=True, slots=True)
class View:
    """From where a radiograph was taken and how the patient was held, as far as its attributes tell."""

    view_position: str | None = None
    """View Position (0018,5101)."""
    patient_orientation: tuple[str, ...] = ()
    """Patient Orientation (0020,0020): where its rows and columns point."""
    code_meaning: str | None = None
    """Code Meaning of View Code Sequence (0054,0220) and its modifiers."""
    orientation_code_meaning: str | None = None
    """Code Meaning of Patient Orientation Code Sequence (0054,0410): erect, recumbent."""
    positioner_angles_deg: tuple[float, float] | None = None
    """Positioner Primary and Secondary Angle (0018,1510), (0018,1511)."""
    processing: str | None = None
    """Acquisition Device Processing Description (0018,1400): makers of CR name the examination there."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance and the geometry of its image plane, where it has one."""

    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int | None = None
    image_type: tuple[str, ...] = ()
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int = 1
    image_position_lps_mm: tuple[float, float, float] | None = None
    image_orientation: tuple[float, ...] | None = None
    """Six direction cosines (0020,0037)."""
    pixel_spacing_mm: tuple[float, float] | None = None
    """(between rows, between columns) (0028,0030)."""
    detector_spacing_mm: tuple[float, float] | None = None
    """The same on the detector of a projection image, where lengths are magnified (0018,1164)."""
    transfer_syntax_uid: str | None = None
    is_colour: bool = False
    """Whether a pixel has several samples (0028,0002)."""
    view: View | None = None
    """Of a radiograph; None where only its series tells."""


@dataclass(frozen=True, slots=True)
class Series:
    """One Series: the attributes that recognition reads, and its instances."""

    series_instance_uid: str
    modality: str
    instances: tuple[Instance, ...]
    number: int | None = None
    description: str | None = None
    protocol_name: str | None = None
    body_part_examined: str | None = None
    laterality: str | None = None
    view_position: str | None = None
    patient_position: str | None = None
    patient_orientation: tuple[str, ...] = ()
    contrast_agent: str | None = None
    slice_thickness_mm: float | None = None
    kernel: str | None = None
    kvp: float | None = None
    manufacturer: str | None = None
    model_name: str | None = None
    frame_of_reference_uid: str | None = None
    acquired_at: datetime | None = None
    scanning_sequence: tuple[str, ...] = ()
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    sequence_name: str | None = None
    """Sequence Name (0018,0024), a vendor's own."""
    scan_options: tuple[str, ...] = ()
    view_code_meaning: str | None = None
    """Code Meaning of View Code Sequence (0054,0220) and its modifiers."""
    orientation_code_meaning: str | None = None
    """Code Meaning of Patient Orientation Code Sequence (0054,0410): erect, recumbent."""
    positioner_angles_deg: tuple[float, float] | None = None
    """Positioner Primary and Secondary Angle (0018,1510), (0018,1511)."""
    acquisition_contrast: str | None = None
    """Acquisition Contrast (0008,9209) of an enhanced MR: T1, T2, STIR..."""

    @property
    def views(self) -> tuple[View, ...]:
        """The views of its instances, each once; its own where they have none."""
        own = View(
            self.view_position,
            self.patient_orientation,
            self.view_code_meaning,
            self.orientation_code_meaning,
            self.positioner_angles_deg,
        )
        return tuple(dict.fromkeys(each.view or own for each in self.instances)) or (own,)


@dataclass(frozen=True, slots=True)
class Study:
    """One Study (the same Study Instance UID) as far as it is known now."""

    study_instance_uid: str
    patient: PatientIdentity
    series: tuple[Series, ...]
    performed_at: datetime | None = None
    """Study Date and Time; the time may be midnight where only a date was given."""
    has_time: bool = False
    description: str | None = None
    accession_number: str | None = None
    study_id: str | None = None
    requested_procedure_description: str | None = None
    reason_for_study: tuple[str, ...] = ()
    """Texts and code meanings of (0040,1002), (0040,100A), (0032,1030) and the like."""
    admitting_diagnoses: tuple[str, ...] = ()
    institution: str | None = None
    procedure_codes: tuple[tuple[str, str, str], ...] = ()
    """(value, scheme, meaning) of (0008,1032) and (0032,1064)."""

    def instances(self) -> Iterator[Instance]:
        """All instances, series by series."""
        for series in self.series:
            yield from series.instances

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of its series, sorted, each once."""
        return tuple(sorted({series.modality for series in self.series}))
