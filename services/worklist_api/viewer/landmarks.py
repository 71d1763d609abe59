"""Anatomical points that readers set on radiographs: kept with their author, and measured as the report would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from plumbline.anatomy.landmarks import NAMES, Landmark
from plumbline.checks.context import CheckContext, MeasuredExam
from plumbline.checks.finding import CheckName
from plumbline.checks.registry import run_checks
from plumbline.errors import InvalidInput
from plumbline.imaging.motion import ExamAnatomy
from plumbline.pipeline.marked import Spacings, marked_radiographs
from services.worklist_api.context import Context, InContext, Records
from services.worklist_api.pages.presentation import words
from services.worklist_api.problems import NotFound
from services.worklist_api.readers.identity import InRecords, KnownReader
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.viewer.endpoints import pixels_of
from services.worklist_api.viewer.images import series_images
from services.worklist_api.viewer.schemas import SeriesImage

router = APIRouter(prefix="/api/exams", tags=["Landmarks"])

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


class MeasuredAngle(BaseModel):
    """An angle between landmarks."""

    model_config = ConfigDict(frozen=True)

    name: str
    value_deg: float
    uncertainty_95_deg: float


class Measured(BaseModel):
    """What the landmarks of an exam come to, in the words of the report."""

    model_config = ConfigDict(frozen=True)

    status: str
    reasons: list[str]
    angles: list[MeasuredAngle]


class Landmarks(BaseModel):
    """The landmarks of an exam and what they come to; None where there are none."""

    model_config = ConfigDict(frozen=True)

    landmarks: list[PlacedLandmark]
    measured: Measured | None


@router.get("/{study_instance_uid}/landmarks", summary="Landmarks of an exam, and what is measured from them")
def landmarks(study_instance_uid: StudyUid, context: InContext, records: InRecords) -> Landmarks:
    """Every landmark that stands, with who set it last."""
    standing = records.readers.landmarks(study_instance_uid)
    return Landmarks(
        landmarks=[PlacedLandmark(**{**asdict(each), "at": each.at.isoformat()}) for each in standing],
        measured=_measured(context, records, study_instance_uid, standing),
    )


@router.put("/{study_instance_uid}/landmarks", summary="Set, move or remove a landmark")
def put_landmark(
    study_instance_uid: StudyUid, place: Place, context: InContext, records: InRecords, reader: KnownReader
) -> Landmarks:
    """Keep where a reader says that a landmark is; what it was before is kept, too."""
    if place.column is not None and place.row is not None:
        _refuse_outside(context, study_instance_uid, place, (place.column, place.row))
        image = place.series_instance_uid, place.sop_instance_uid
        placed = Landmark(*image, place.name, place.column, place.row, reader, context.now())
        records.readers.set_landmark(study_instance_uid, placed)
        records.readers.note_deed(reader, f"set {place.name}", study_instance_uid)
    else:
        _remove(study_instance_uid, place, context, records, reader)
    return landmarks(study_instance_uid, context, records)


def _remove(study_instance_uid: str, place: Place, context: Context, records: Records, reader: str) -> None:
    for each in records.readers.landmarks(study_instance_uid):
        if (each.sop_instance_uid, each.name) == (place.sop_instance_uid, place.name):
            taken = replace(each, author=reader, at=context.now())
            records.readers.remove_landmark(study_instance_uid, taken)
            records.readers.note_deed(reader, f"removed {place.name}", study_instance_uid)


def _refuse_outside(context: Context, study_instance_uid: str, place: Place, at: tuple[float, float]) -> None:
    """Refuse a landmark on an image that the archive does not have in this study, or beside the image."""
    try:
        listed = _images(context, study_instance_uid, place.series_instance_uid)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error
    image = next((each for each in listed if each.sop_instance_uid == place.sop_instance_uid), None)
    if image is None:
        raise NotFound("the archive does not have this image", where=place.sop_instance_uid)
    if at[0] > image.columns or at[1] > image.rows:
        raise InvalidInput(f"the image has {image.columns} columns and {image.rows} rows", where=place.sop_instance_uid)


def _measured(
    context: Context, records: Records, study_instance_uid: str, standing: Sequence[Landmark]
) -> Measured | None:
    """What the report would say of these landmarks; None where none is on an image of the archive."""
    recognition = records.patients.recognition(study_instance_uid)
    spacings = _spacings(context, study_instance_uid, {each.series_instance_uid for each in standing})
    marked = marked_radiographs(standing, spacings, recognition.series if recognition else ())
    if not marked:
        return None
    exam = MeasuredExam(study_instance_uid, None, _no_anatomy)
    check = CheckContext(exam, thresholds=context.thresholds, marked=marked)
    (finding,) = run_checks(check, [CheckName.SPINOPELVIC_ALIGNMENT])
    return Measured(
        status=finding.status.value,
        reasons=list(finding.reasons),
        angles=[
            MeasuredAngle(
                name=words(key.removesuffix("_deg")), value_deg=each.value, uncertainty_95_deg=each.uncertainty_95
            )
            for key, each in finding.measurements.items()
        ],
    )


def _no_anatomy() -> ExamAnatomy:
    raise InvalidInput("radiographs are measured from landmarks alone")


def _spacings(context: Context, study_instance_uid: str, series_uids: Iterable[str]) -> Spacings:
    """Spacing of every image of these series; a series that the archive has no more has none."""
    found: dict[str, tuple[float, float] | None] = {}
    for uid in series_uids:
        try:
            images = _images(context, study_instance_uid, uid)
        except InvalidInput:
            continue
        for each in images:
            spacing = each.spacing_mm or []
            found[each.sop_instance_uid] = (spacing[0], spacing[1]) if len(spacing) == 2 else None
    return found


def _images(context: Context, study_instance_uid: str, series_instance_uid: str) -> Sequence[SeriesImage]:
    """Images of a series, as the viewer knows them."""
    listed = pixels_of(context).series(study_instance_uid, series_instance_uid)
    stored = [(each.sop_instance_uid, each.attributes) for each in listed]
    return series_images(study_instance_uid, series_instance_uid, stored).images
