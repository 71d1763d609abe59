"""Images of the archive through this API, so that whoever may see a page may see its images, with one login."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from plumbline.errors import InvalidInput, Unavailable
from services.worklist_api.context import Context, InContext
from services.worklist_api.problems import NotFound
from services.worklist_api.readings.endpoints import StudyUid
from services.worklist_api.viewer.images import series_images
from services.worklist_api.viewer.ports import Pixels
from services.worklist_api.viewer.schemas import SeriesImages

router = APIRouter(prefix="/api/studies", tags=["Images"])

_KEPT = "private, max-age=3600"
"""Pixel data of an instance never changes; only the reader's own browser keeps it, for an hour."""

Uid = Annotated[str, Path(pattern=r"^[0-9.]{1,64}$")]


@router.get("/{study_instance_uid}/series/{series_instance_uid}/images", summary="Images of a series, for a viewer")
def series(study_instance_uid: StudyUid, series_instance_uid: Uid, context: InContext) -> SeriesImages:
    """Geometry and pixel attributes of every image, and the address of its pixel data."""
    try:
        found = pixels_of(context).series(study_instance_uid, series_instance_uid)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error
    images = [(each.sop_instance_uid, each.attributes) for each in found]
    return series_images(study_instance_uid, series_instance_uid, images)


@router.get(
    "/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{number}",
    summary="Pixel data of a frame as stored",
    response_class=Response,
)
def frame(
    study_instance_uid: StudyUid,
    series_instance_uid: Uid,
    sop_instance_uid: Uid,
    number: Annotated[int, Path(ge=1, le=100_000)],
    context: InContext,
) -> Response:
    """Return the frame compressed or not, as the transfer syntax in the Content-Type says."""
    try:
        found = pixels_of(context).frame(study_instance_uid, series_instance_uid, sop_instance_uid, number)
    except InvalidInput as error:
        raise NotFound(error.what, where=error.where) from error
    media_type = f"application/octet-stream; transfer-syntax={found.transfer_syntax_uid}"
    return Response(found.data, media_type=media_type, headers={"Cache-Control": _KEPT})


def pixels_of(context: Context) -> Pixels:
    """Images of the archive; raise ``Unavailable`` where this application has none."""
    if context.pixels is None:
        raise Unavailable("this API has no archive to read images from")
    return context.pixels
