"""What a check has to say: the Finding, its measurements and its status. Design section 4, the JSON contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from plumbline.anatomy.landmarks import Landmark


class Status(StrEnum):
    """Outcome of one check at one level."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    INDETERMINATE = "indeterminate"
    NOT_APPLICABLE = "not-applicable"
    FAILED = "failed"


class CheckName(StrEnum):
    """Names of the checks as the contract spells them."""

    SPACER_MIGRATION = "spacer-migration"
    SPACER_POSITION = "spacer-position"
    LEVEL_ERROR = "level-error"
    LEVEL_LABELLING = "level-labelling"
    SCREW_LOOSENING = "screw-loosening"
    VACUUM_GAS = "vacuum-gas"
    FUSION_STATUS = "fusion-status"
    HARDWARE_INTEGRITY = "hardware-integrity"
    SCREW_POSITION = "screw-position"
    DYNAMIC_INSTABILITY = "dynamic-instability"
    SPINOPELVIC_ALIGNMENT = "spinopelvic-alignment"
    DURAL_SAC = "dural-sac"
    COLLECTION = "collection"
    HERNIATION_RECURRENCE = "herniation-recurrence"
    ADJACENT_SEGMENT = "adjacent-segment"
    NEW_FRACTURE = "new-fracture"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value with the half-width of its 95 % interval, both in the unit that its key names (``_mm``, ``_deg``)."""

    value: float
    uncertainty_95: float

    def as_json(self) -> dict[str, float]:
        """The contract's form, rounded to what the measurement can mean."""
        return {"value": round(self.value, 2), "uncertainty_95": round(self.uncertainty_95, 2)}


@dataclass(frozen=True, slots=True)
class TrackedImplant:
    """The implant a finding is about; the same UID in every exam of this patient."""

    tracking_uid: str
    tracking_identifier: str
    kind: str


@dataclass(frozen=True)
class Finding:
    """One check's answer at one level.

    ``reference`` is the role of the exam it was compared with (``baseline``, ``preoperative``,
    ``prior``) or None. ``reasons`` are sentences for the reader, cautious and complete.
    ``sources`` are keys of the clinical literature list. ``geometry`` holds points in LPS mm of the
    current exam for drawing and SCOORD3D, by name; it is not part of the JSON contract. ``landmarks`` are
    points that readers set and that the measurements rest on.
    """

    check: CheckName
    level: str | None
    status: Status
    reasons: tuple[str, ...]
    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    reference: str | None = None
    sources: tuple[str, ...] = ()
    implant: TrackedImplant | None = None
    geometry: Mapping[str, tuple[tuple[float, float, float], ...]] = field(default_factory=dict)
    landmarks: tuple[Landmark, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The contract's form."""
        document: dict[str, Any] = {
            "check": self.check.value,
            "level": self.level,
            "status": self.status.value,
            "measurements": {key: value.as_json() for key, value in self.measurements.items()},
            "reference": self.reference,
            "reasons": list(self.reasons),
            "sources": list(self.sources),
        }
        if self.implant is not None:
            document["implant"] = {
                "tracking_uid": self.implant.tracking_uid,
                "tracking_identifier": self.implant.tracking_identifier,
                "kind": self.implant.kind,
            }
        if self.landmarks:
            document["landmarks"] = [{**asdict(each), "at": each.at.isoformat()} for each in self.landmarks]
        return document
