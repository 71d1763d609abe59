"""Media types of the Worklist Service (PS3.18 8.7): what was asked for, what is sent."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from services.worklist_api.problems import NotAcceptable

DICOM_JSON = "application/dicom+json"
_ACCEPTED = frozenset({DICOM_JSON, "application/json", "application/*", "*/*"})


class DicomJsonResponse(JSONResponse):
    """One dataset or a list of them in the DICOM JSON Model."""

    media_type = DICOM_JSON


def require_acceptable(accept: str | None, accept_parameter: str | None) -> None:
    """Check the Accept header, or the query parameter that stands for it (PS3.18 8.3.3.1).

    Raises
    ------
    NotAcceptable
        When DICOM JSON is not among the accepted types.
    """
    given = accept_parameter or accept
    if not given:
        return
    ranges = [part.partition(";") for part in given.split(",")]
    wanted = {name.strip().lower() for name, _, parameters in ranges if not _is_refused(parameters)}
    if not wanted & _ACCEPTED:
        raise NotAcceptable(f"only {DICOM_JSON} can be sent", remedy="Change the Accept header.")


def _is_refused(parameters: str) -> bool:
    """Whether a media range has weight zero (RFC 9110 12.5.1)."""
    return any(each.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for each in parameters.split(";"))


def visible(dataset: dict[str, Any], wanted: frozenset[str] | None) -> dict[str, Any]:
    """Attributes of a dataset that may be sent: the wanted ones, all where None, in order of their tags."""
    return {tag: dataset[tag] for tag in sorted(dataset) if wanted is None or tag in wanted}
