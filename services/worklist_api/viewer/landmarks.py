"""Anatomical points that readers set on radiographs: names, and where they are kept with their author."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from plumbline.adapters.database.readers import Landmark
from services.worklist_api.context import InContext
from services.worklist_api.readers.identity import InRecords, KnownReader
from services.worklist_api.readings.endpoints import StudyUid

router = APIRouter(prefix="/api/exams", tags=["Landmarks"])

_VERTEBRAE = (*(f"T{number}" for number in range(1, 13)), *(f"L{number}" for number in range(1, 6)))
NAMES: tuple[str, ...] = (
    "S1 superior endplate anterior",
    "S1 superior endplate posterior",
    "left femoral head centre",
    "right femoral head centre",
    "spacer anterior marker",
    "spacer posterior marker",
    *(
        f"{vertebra} {endplate} endplate {side}"
        for vertebra in reversed(_VERTEBRAE)
        for endplate in ("superior", "inferior")
        for side in ("anterior", "posterior")
    ),
)
"""What a landmark may be called: what pelvic parameters, lordosis, kyphosis and spacer position are measured from."""

LARGEST_PIXEL = 65_535


class Place(BaseModel):
    """Where a landmark is: pixels of an image, the centre of the first pixel at 0.5; None takes it away."""

    series_instance_uid: Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
    sop_instance_uid: Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
    name: str
    column: Annotated[float | None, Field(ge=0, le=LARGEST_PIXEL)] = None
    row: Annotated[float | None, Field(ge=0, le=LARGEST_PIXEL)] = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"there is no landmark of this name; known are {', '.join(NAMES[:6])} and endplates")
        return name


class PlacedLandmark(BaseModel):
    """A landmark as it stands."""

    model_config = ConfigDict(frozen=True)

    series_instance_uid: str
    sop_instance_uid: str
    name: str
    column: float
    row: float
    author: str
    at: str


@router.get("/{study_instance_uid}/landmarks", summary="Landmarks of an exam")
def landmarks(study_instance_uid: StudyUid, records: InRecords) -> list[PlacedLandmark]:
    """Every landmark that stands, with who set it last."""
    return [_placed(each) for each in records.readers.landmarks(study_instance_uid)]


@router.put("/{study_instance_uid}/landmarks", summary="Set, move or remove a landmark")
def put_landmark(
    study_instance_uid: StudyUid, place: Place, context: InContext, records: InRecords, reader: KnownReader
) -> list[PlacedLandmark]:
    """Keep where a reader says that a landmark is; what it was before is kept, too."""
    is_there = place.column is not None and place.row is not None
    records.readers.set_landmark(
        Landmark(
            study_instance_uid,
            place.series_instance_uid,
            place.sop_instance_uid,
            place.name,
            place.column if is_there else None,
            place.row if is_there else None,
            reader,
            context.now(),
        )
    )
    records.readers.note_deed(reader, f"{'set' if is_there else 'removed'} {place.name}", study_instance_uid)
    return landmarks(study_instance_uid, records)


def _placed(landmark: Landmark) -> PlacedLandmark:
    assert landmark.column is not None
    assert landmark.row is not None
    return PlacedLandmark(
        series_instance_uid=landmark.series_instance_uid,
        sop_instance_uid=landmark.sop_instance_uid,
        name=landmark.name,
        column=landmark.column,
        row=landmark.row,
        author=landmark.author,
        at=landmark.at.isoformat(),
    )
