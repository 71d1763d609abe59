"""What a report is made from: the studies, the findings, the decision, and who says so. Checked on construction.

Only values; how they are written down is the business of the other modules of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from plumbline.anatomy.numbering import Numbering
from plumbline.checks.finding import Finding, Status
from plumbline.errors import InvalidInput
from plumbline.priors.choice import Reference, Role
from plumbline.reports.identifiers import ObjectKind, derived_uid
from plumbline.triage.priority import TriageDecision

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")


def is_image(instance: Dataset) -> bool:
    """Whether an instance has pixels, and may be the target of an IMAGE item."""
    return bool(instance.get("Rows") and instance.get("Columns"))


@dataclass(frozen=True, eq=False)
class ReportedStudy:
    """One study as evidence: the headers of its instances, without pixel data.

    Parameters
    ----------
    evidence
        Headers of all instances that were read, at least one, all of one study.
    measured_series_uid
        Series that was measured; coordinates of findings lie in its Frame of Reference. None takes the
        first instance's series.
    days_since_surgery
        Days from the operation to this study, negative before it, None when unknown.

    Raises
    ------
    InvalidInput
        If there is no evidence, an instance lacks an attribute that a reference to it needs, or the
        instances are not of one study.
    """

    evidence: tuple[Dataset, ...]
    measured_series_uid: str | None = None
    days_since_surgery: int | None = None

    def __post_init__(self) -> None:
        if not self.evidence:
            raise InvalidInput("a study without instances cannot be reported")
        for instance in self.evidence:
            missing = [keyword for keyword in _NEEDED if not instance.get(keyword)]
            if missing:
                raise InvalidInput(f"{', '.join(missing)} is missing", where=str(instance.get("SOPInstanceUID")))
        if len({instance.StudyInstanceUID for instance in self.evidence}) > 1:
            raise InvalidInput("the instances are of more than one study", where=self.study_instance_uid)

    @property
    def header(self) -> Dataset:
        """Header of one measured instance: patient, study and geometry are taken from it.

        Without a measured series it is the first image's, or the first instance's where there is no image.
        """
        measured = (i for i in self.evidence if i.SeriesInstanceUID == self.measured_series_uid)
        images = (i for i in self.evidence if is_image(i))
        return next(measured, None) or next(images, self.evidence[0])

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID."""
        return str(self.evidence[0].StudyInstanceUID)

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of Reference UID of the measured series, or None."""
        uid = self.header.get("FrameOfReferenceUID")
        return str(uid) if uid else None


@dataclass(frozen=True, eq=False)
class ReferenceStudy:
    """An earlier exam that was used, with the explanation of its choice.

    Raises
    ------
    InvalidInput
        If the reference has no role, or it is another study than the evidence.
    """

    reference: Reference
    study: ReportedStudy

    def __post_init__(self) -> None:
        if self.reference.role is None:
            raise InvalidInput("a rejected candidate is not a reference", where=self.reference.study_instance_uid)
        if self.reference.study_instance_uid != self.study.study_instance_uid:
            raise InvalidInput(
                f"its evidence is of study {self.study.study_instance_uid}", where=self.reference.study_instance_uid
            )

    @property
    def role(self) -> Role:
        """What the exam is to the current one."""
        assert self.reference.role is not None  # checked on construction
        return self.reference.role


@dataclass(frozen=True, slots=True)
class ReportingDevice:
    """The installation that made the report (TID 1004 and the General Equipment module)."""

    device_uid: str
    serial_number: str = "1"
    station_name: str | None = None
    name: str = "Plumbline"
    manufacturer: str = "Plumbline"
    model: str = "Plumbline"


@dataclass(frozen=True, slots=True)
class PredecessorReport:
    """The report of the same study that a new one supersedes."""

    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, eq=False)
class EvidencePicture:
    """A picture that shows a finding.

    Parameters
    ----------
    pixels
        Shape (rows, columns, 3), uint8, RGB; everything to be seen is drawn already, no patient data.
    caption
        What it shows, in one sentence.
    view
        ``sagittal``, ``axial``, ``coronal`` or another word for the cut.
    findings
        Indices into :attr:`ReportContent.findings`.
    source_sop_instance_uids
        Instances of the current study or a reference that it was made from.

    Raises
    ------
    InvalidInput
        If the pixels are not RGB of 8 bits.
    """

    pixels: NDArray[np.uint8]
    caption: str
    view: str
    findings: tuple[int, ...] = ()
    source_sop_instance_uids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape: tuple[Any, ...] = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise InvalidInput(f"an evidence picture must be RGB of 8 bits, not {self.pixels.dtype} of shape {shape}")


@dataclass(frozen=True, slots=True)
class KeyImage:
    """An image that a reader should see first, and why."""

    sop_instance_uid: str
    reason: str


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that the published objects of one exam are built from.

    ``created_at`` is the moment that all objects carry; it is passed in so that a re-run writes the same
    bytes. It is in the site's time zone, as the times of its studies are; where the current study names
    its Timezone Offset From UTC, an aware moment is converted to it. ``levels_in_view`` are vertebra
    names, cranial to caudal. ``warnings`` are sentences about what did not work or was left out; like a
    failed check, they make the document PARTIAL.

    Raises
    ------
    InvalidInput
        If two references share a role, a reference is the current study, or a picture or key image
        points at something that is not here, or a finding names a role that does not exist.
    """

    current: ReportedStudy
    findings: tuple[Finding, ...]
    triage: TriageDecision
    device: ReportingDevice
    algorithm_version: str
    created_at: datetime
    revision: int = 1
    references: tuple[ReferenceStudy, ...] = ()
    missing_references: Mapping[Role, str] = field(default_factory=dict)
    numbering: Numbering | None = None
    levels_in_view: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: tuple[EvidencePicture, ...] = ()
    key_images: tuple[KeyImage, ...] = ()
    predecessor: PredecessorReport | None = None
    flagged: tuple[ReportedStudy, ...] = ()
    """Earlier exams that a reader should open although nothing was measured in them: key images only."""

    def __post_init__(self) -> None:
        roles = [reference.role for reference in self.references]
        if len(set(roles)) < len(roles):
            raise InvalidInput("two references have the same role")
        if any(r.study.study_instance_uid == self.current.study_instance_uid for r in self.references):
            raise InvalidInput("the current study is among its own references", where=self.current.study_instance_uid)
        if any(finding.reference not in {None, *Role} for finding in self.findings):
            raise InvalidInput("a finding was compared with an unknown kind of reference")
        self._check_pointers()

    def _check_pointers(self) -> None:
        known = {str(instance.SOPInstanceUID) for instance in self.evidence}
        selectable = {str(instance.SOPInstanceUID) for instance in self.selectable}
        wanted = {image.sop_instance_uid for image in self.key_images} - selectable
        wanted.update(uid for picture in self.pictures for uid in picture.source_sop_instance_uids)
        if wanted - known:
            raise InvalidInput("it is not among the evidence", where=min(wanted - known))
        if any(not 0 <= i < len(self.findings) for picture in self.pictures for i in picture.findings):
            raise InvalidInput("an evidence picture points at a finding that is not there")

    @property
    def evidence(self) -> tuple[Dataset, ...]:
        """Headers of all instances, the current study's first."""
        return self.current.evidence + tuple(i for r in self.references for i in r.study.evidence)

    @property
    def selectable(self) -> tuple[Dataset, ...]:
        """Headers of all instances that a key image may be."""
        return self.evidence + tuple(instance for study in self.flagged for instance in study.evidence)

    @property
    def is_complete(self) -> bool:
        """Whether every check that was tried came to an end and nothing is warned of."""
        return not self.warnings and all(finding.status is not Status.FAILED for finding in self.findings)

    def reference(self, role: str | None) -> ReferenceStudy | None:
        """The reference of a role by its name, or None."""
        return next((reference for reference in self.references if reference.role.value == role), None)

    def uid(self, kind: ObjectKind, ordinal: int = 0, about: str = "") -> str:
        """Derived UID of one of this report's objects."""
        return derived_uid(
            self.current.study_instance_uid,
            revision=self.revision,
            algorithm_version=self.algorithm_version,
            kind=kind,
            ordinal=ordinal,
            about=about,
        )

    def tracking_uid(self, finding: Finding) -> str:
        """Tracking UID of a finding: its implant's, else one for this study, check and level.

        Without an implant the UID does not depend on the revision, so that a superseding report tracks
        the same finding.
        """
        if finding.implant is not None:
            return finding.implant.tracking_uid
        return derived_uid(
            self.current.study_instance_uid,
            revision=0,
            algorithm_version="any",
            kind=ObjectKind.TRACKING,
            about=f"{finding.check.value} {finding.level or ''}",
        )
