"""Orthanc as the pipeline's archive (port ``Archive``)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from plumbline.adapters.orthanc.client import OrthancClient
from plumbline.adapters.orthanc.studies import SERIES_FIELDS, STUDY_FIELDS, archive_studies
from plumbline.errors import InvalidInput
from plumbline.exams.study import Study
from plumbline.pipeline.archive_ports import ArchiveChange, ArchiveInstance, ArchiveStudy, FetchedInstance
from plumbline.pipeline.receive import is_own_object
from plumbline.settings import OrthancSettings

PREAMBLE_AND_GROUP_LENGTH = 128 + 4 + 12
"""Preamble, prefix and the element File Meta Information Group Length (0002,0000), PS3.10 7.1."""
LEFT_OUT = ("plumbline-left-out", "4015")
"""User metadata by which the router notes that the site's filter did not let a study through; the name is listed where
it is in the archive's configuration."""
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~")
"""Characters that mean themselves both in DICOM matching (PS3.4 C.2.2.2.4) and in an address."""


class OrthancArchive:
    """``Archive`` on one Orthanc, 1.10.1 or later, with its DICOMweb plugin."""

    def __init__(self, settings: OrthancSettings) -> None:
        self._client = OrthancClient(settings)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def instances_of(self, study_instance_uid: str) -> tuple[ArchiveInstance, ...]:
        """See ``Archive.instances_of``; two requests, and one to find the study."""
        study = self._find(study_instance_uid)
        if study is None:
            return ()
        try:
            series = {one["ID"]: one["MainDicomTags"] for one in self._client.series_of(study)}
            instances = self._client.instances_of(study)
        except InvalidInput:
            return ()  # deleted between the requests
        return tuple(_instance(one, series.get(one["ParentSeries"], {})) for one in instances)

    def instances_of_each(self, studies: Sequence[Study]) -> Mapping[str, tuple[ArchiveInstance, ...]]:
        """See ``Archive.instances_of_each``."""
        if not studies:
            return {}
        parents = {
            _resource_id(study.patient.patient_id, study.study_instance_uid, series.series_instance_uid): (
                study,
                series,
            )
            for study in studies
            for series in study.series
        }
        wanted = "\\".join(study.study_instance_uid for study in studies)
        listed: dict[str, list[ArchiveInstance]] = {study.study_instance_uid: [] for study in studies}
        for one in self._client.find("Instance", {"StudyInstanceUID": wanted}):
            if found := parents.get(one["ParentSeries"]):
                study, series = found
                uid = one["MainDicomTags"]["SOPInstanceUID"]
                listed[study.study_instance_uid].append(ArchiveInstance(uid, series.series_instance_uid, one["ID"]))
        return {uid: tuple(instances) for uid, instances in listed.items()}

    def studies_of(self, patient_id: str) -> tuple[ArchiveStudy, ...]:
        """See ``Archive.studies_of``; two queries however many studies there are.

        DICOM matching has no way to quote a wildcard, so each special character of the ID is asked for as
        "any one character", and only exact matches (case sensitive) are returned.
        """
        if not patient_id:
            return ()
        query = {"PatientID": _pattern(patient_id)}
        studies = self._client.qido("studies", query, STUDY_FIELDS)
        series = self._client.qido("series", query, SERIES_FIELDS + STUDY_FIELDS) if studies else []
        return archive_studies(patient_id, studies, series)

    def fetch(self, instance: ArchiveInstance) -> FetchedInstance:
        """See ``Archive.fetch``. Raises ``InvalidInput`` when it was deleted meanwhile."""
        part10 = self._client.file(instance.handle)
        try:
            header = dcmread(BytesIO(part10), stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
            meta_length = int(header.file_meta.FileMetaInformationGroupLength)
            syntax = str(header.file_meta.TransferSyntaxUID)
        except (InvalidDicomError, AttributeError, EOFError) as error:
            raise InvalidInput("the archive's file is not a DICOM file", where=instance.sop_instance_uid) from error
        return FetchedInstance(
            dataset=part10[PREAMBLE_AND_GROUP_LENGTH + meta_length :],
            sop_class_uid=str(header.get("SOPClassUID", "")),
            sop_instance_uid=str(header.get("SOPInstanceUID", "")),
            transfer_syntax_uid=syntax,
        )

    def store(self, part10: bytes) -> None:
        """See ``Archive.store``; the archive's ``OverwriteInstances`` is off."""
        self._client.store(part10)

    def withdraw(self, sop_instance_uid: str) -> None:
        """See ``Archive.withdraw``."""
        for found in self._client.lookup(sop_instance_uid):
            if found["Type"] != "Instance":
                continue
            try:
                tags = self._client.instance_tags(found["ID"])
                if is_own_object(manufacturer=tags.get("Manufacturer", ""), modality=tags.get("Modality", "")):
                    self._client.delete_instance(found["ID"])
            except InvalidInput:
                continue  # deleted between the requests

    def annotate(self, study_instance_uid: str, values: Mapping[str, str]) -> None:
        """See ``Archive.annotate``; keys are names of ``UserMetadata`` in the archive's configuration."""
        study = self._find(study_instance_uid)
        if study is None:
            raise InvalidInput("the archive does not have this study", where=study_instance_uid)
        for name, value in values.items():
            if value:
                self._client.set_metadata(study, name, value)
            else:
                self._client.delete_metadata(study, name)

    def stable_since(self, sequence: int, limit: int) -> tuple[tuple[ArchiveChange, ...], int, bool]:
        """See ``Archive.stable_since``; ``limit`` is of changes of any kind."""
        page = self._client.changes(sequence, limit)
        stable = [change for change in page["Changes"] if change["ChangeType"] == "StableStudy"]
        changes = (
            ArchiveChange(change["Seq"], uid, _moment(change["Date"]))
            for change in stable
            if (uid := self._uid_of(change["ID"]))
        )
        return tuple(changes), page["Last"], page["Done"]

    def is_left_out(self, study_instance_uid: str) -> bool:
        """See ``Archive.is_left_out``."""
        study = self._find(study_instance_uid)
        return study is not None and self._client.has_metadata(study, *LEFT_OUT)

    def newest_change(self) -> int:
        """See ``Archive.newest_change``."""
        return self._client.newest_change()

    def tell_missing(self) -> None:
        """See ``Archive.tell_missing``."""
        self._client.system()

    def _find(self, study_instance_uid: str) -> str | None:
        found = self._client.lookup(study_instance_uid)
        return next((resource["ID"] for resource in found if resource["Type"] == "Study"), None)

    def _uid_of(self, study: str) -> str | None:
        """Study Instance UID; None where the study was deleted since."""
        try:
            return self._client.study(study)["MainDicomTags"]["StudyInstanceUID"]
        except InvalidInput:
            return None


def _resource_id(*identifiers: str) -> str:
    """Orthanc's own name of a patient, study, series or instance: a digest of the DICOM identifiers down to it."""
    digest = hashlib.sha1("|".join(identifiers).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


def _pattern(patient_id: str) -> str:
    """What to ask for, so that this patient ID is among the answers.

    Orthanc counts a character of several bytes as several, and its ``?`` does not match a ``%`` at the end.
    """
    if _PLAIN.isdisjoint(patient_id):
        raise InvalidInput("the archive cannot be searched for a patient ID without any plain letter or digit")
    last = len(patient_id) - 1
    wild = ("?" if c.isascii() and at != last else "*" for at, c in enumerate(patient_id))
    return "".join(c if c in _PLAIN else any_one for c, any_one in zip(patient_id, wild, strict=True))


def _instance(described: dict, series: Mapping[str, str]) -> ArchiveInstance:
    return ArchiveInstance(
        sop_instance_uid=described["MainDicomTags"]["SOPInstanceUID"],
        series_instance_uid=series.get("SeriesInstanceUID", ""),
        handle=described["ID"],
        is_own=is_own_object(manufacturer=series.get("Manufacturer", ""), modality=series.get("Modality", "")),
    )


def _moment(text: str) -> datetime:
    """Orthanc dates its changes in UTC, as YYYYMMDDTHHMMSS."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
