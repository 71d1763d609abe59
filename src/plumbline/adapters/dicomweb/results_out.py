"""Objects of a report by STOW-RS (PS3.18 10.5), to any archive that speaks DICOMweb."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import dcmread

from plumbline.errors import InvalidInput, Unavailable
from plumbline.pipeline.outbox import Delivery
from plumbline.pipeline.ports import ReportObject

_TRY_LATER = frozenset({401, 403, 404, 408, 425, 429})
"""Client errors that somebody at the destination can end: access, a service that is not yet there, too much at once."""


class DicomWebStore:
    """``Destination`` that stores objects over DICOMweb; storing the same object again changes nothing there."""

    def __init__(self, url: str, *, username: str | None = None, password: str | None = None, timeout_s: float) -> None:
        session = requests.Session()
        if username is not None:
            session.auth = (username, password or "")
        self._client = DICOMwebClient(url.rstrip("/"), session=session, timeout=timeout_s)
        self._client.set_http_retry_params(retry=False)

    def deliver(self, delivery: Delivery, objects: Sequence[ReportObject]) -> None:
        """See ``Destination.deliver``."""
        datasets = [dcmread(BytesIO(each.part10)) for each in objects]
        if not datasets:
            raise InvalidInput("the report has no objects to send", where=delivery.key)
        try:
            answer = self._client.store_instances(datasets)
        except requests.HTTPError as error:
            raise _refusal(error) from error
        except (requests.RequestException, ConnectionError, TimeoutError) as error:
            raise Unavailable("the DICOMweb destination does not answer") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable("the DICOMweb destination answers with something that is not DICOM") from error
        stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence", [])}
        if missing := [each for each in objects if each.sop_instance_uid not in stored]:
            raise InvalidInput(f"the DICOMweb destination did not store {len(missing)} of {len(objects)} objects")


def _refusal(error: requests.HTTPError) -> InvalidInput | Unavailable:
    status = error.response.status_code if error.response is not None else 0
    if status >= 500 or status in _TRY_LATER or not status:
        return Unavailable(f"the DICOMweb destination answers {status}")
    return InvalidInput(f"the DICOMweb destination refuses with {status}")
