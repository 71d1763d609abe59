"""An archive elsewhere, asked over DICOMweb: QIDO-RS, and WADO-RS of what is missing here (PS3.18 10.4, 10.6).

dicomweb-client speaks the protocol; here is only what is asked for, at which pace, and what its errors mean.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from io import BytesIO
from threading import Lock
from typing import Any, TypeVar

import requests
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_auth
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from requests.auth import AuthBase, HTTPBasicAuth

from plumbline.adapters.query_answers import (
    INSTANCE_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    matching_pattern,
    patient_ids,
    study_answer,
    with_series_answers,
)
from plumbline.errors import InvalidInput, Misconfigured, Unavailable
from plumbline.exams.study import PatientIdentity, Study
from plumbline.pipeline.archive_ports import ArchiveInstance, ArchiveStudy
from plumbline.pipeline.ports import Spool
from plumbline.settings import DicomWebRemote
from plumbline.text_files import read_secret

Answer = TypeVar("Answer")
for _chatty in ("retrying", "dicomweb_client", "urllib3"):
    logging.getLogger(_chatty).setLevel(logging.CRITICAL)  # they log addresses, which carry a patient's identifier
_PREAMBLE_AND_GROUP_LENGTH = 128 + 4 + 12
_STUDY_FIELDS = list(STUDY_KEYS)
_AS_STORED = (("application/dicom", "*"),)


class DicomWebArchive:
    """``RemoteArchive`` over DICOMweb; one request at a time, at most so many instances a second."""

    def __init__(self, settings: DicomWebRemote, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        session = create_session_from_auth(_credentials(settings))
        self._client = DICOMwebClient(settings.url.rstrip("/"), session=session, timeout=settings.timeout_s)
        self._client.set_http_retry_params(retry=False)
        self._one_at_a_time = Lock()

    @property
    def name(self) -> str:
        """See ``RemoteArchive.name``."""
        return self._settings.name

    @property
    def sender(self) -> str:
        """See ``RemoteArchive.sender``."""
        return f"remote:{self._settings.name}"[:64]

    def studies_of(self, patient: PatientIdentity) -> tuple[ArchiveStudy, ...]:
        """See ``RemoteArchive.studies_of``."""
        found: dict[str, ArchiveStudy] = {}
        for identifier in patient_ids(patient, self._settings.issuer_of_patient_id):
            wanted = {"PatientID": matching_pattern(identifier)}
            answers = self._asked(partial(self._client.search_for_studies, search_filters=wanted, fields=_STUDY_FIELDS))
            for answer in answers:
                listed = study_answer(Dataset.from_json(answer), self._settings.issuer_of_patient_id)
                if listed.study.patient.patient_id == identifier:
                    found[listed.study.study_instance_uid] = listed
        return tuple(found.values())

    def with_series(self, listed: ArchiveStudy) -> ArchiveStudy:
        """See ``RemoteArchive.with_series``."""
        uid = listed.study.study_instance_uid
        answers = self._asked(lambda: self._client.search_for_series(uid, fields=list(SERIES_KEYS)))
        return with_series_answers(listed, [Dataset.from_json(answer) for answer in answers])

    def instances_of(self, study: Study) -> tuple[ArchiveInstance, ...]:
        """See ``RemoteArchive.instances_of``: of the series that the study lists; the handle is the SOP Class UID."""
        uid = study.study_instance_uid
        answers = self._asked(lambda: self._client.search_for_instances(uid, fields=list(INSTANCE_KEYS)))
        listed = {series.series_instance_uid for series in study.series}
        instances = (Dataset.from_json(answer) for answer in answers)
        return tuple(
            ArchiveInstance(str(one.SOPInstanceUID), str(one.SeriesInstanceUID), str(one.get("SOPClassUID", "")))
            for one in instances
            if str(one.SeriesInstanceUID) in listed
        )

    def retrieve(self, study: Study, wanted: Sequence[ArchiveInstance]) -> None:
        """See ``RemoteArchive.retrieve``; an instance that cannot be had does not keep the others from coming."""
        failed = 0
        for each in wanted:
            began = time.monotonic()
            try:
                dataset = self._asked(
                    lambda one=each: self._client.retrieve_instance(
                        study.study_instance_uid, one.series_instance_uid, one.sop_instance_uid, media_types=_AS_STORED
                    )
                )
            except InvalidInput:
                failed += 1
                continue
            self._keep(dataset)
            time.sleep(max(0.0, 1 / self._settings.instances_per_s - (time.monotonic() - began)))
        if failed:
            raise Unavailable(f"it could not send {failed} of {len(wanted)} instances", where=self.name)

    def _keep(self, dataset: Dataset) -> None:
        file = BytesIO()
        dcmwrite(file, dataset, enforce_file_format=True)
        part10 = file.getvalue()
        meta = dcmread(BytesIO(part10), stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).file_meta
        self._spool.append(
            part10[_PREAMBLE_AND_GROUP_LENGTH + int(meta.FileMetaInformationGroupLength) :],
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
            sender=self.sender,
        )

    def _asked(self, call: Callable[[], Answer]) -> Answer:
        """The one table from what HTTP says to what the caller should do."""
        try:
            with self._one_at_a_time:
                return call()
        except requests.HTTPError as error:
            raise self._refusal(error) from error
        except (requests.RequestException, ConnectionError, TimeoutError) as error:
            raise Unavailable("it does not answer", where=self.name) from error
        except ValueError as error:
            raise Unavailable("its answer cannot be read", where=self.name) from error

    def _refusal(self, error: requests.HTTPError) -> Exception:
        code: int = error.response.status_code if error.response is not None else 0
        if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return Misconfigured("it does not let us in", where=self.name, remedy="Check its credentials")
        if code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in (0, HTTPStatus.TOO_MANY_REQUESTS):
            return Unavailable(f"it cannot for now (HTTP {code})", where=self.name)
        return InvalidInput(f"it cannot do what was asked (HTTP {code})", where=self.name)


class _Bearer(AuthBase):
    """Sends a token that a file holds, read anew for each request: tokens are renewed."""

    def __init__(self, settings: DicomWebRemote) -> None:
        self._settings = settings

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {_secret(self._settings)}"
        return request


def _credentials(settings: DicomWebRemote) -> AuthBase | None:
    if settings.secret_file is None:
        return None
    return HTTPBasicAuth(settings.username, _secret(settings)) if settings.username else _Bearer(settings)


def _secret(settings: DicomWebRemote) -> str:
    assert settings.secret_file is not None
    return read_secret(settings.secret_file, what="the file with its secret", where=settings.name)
