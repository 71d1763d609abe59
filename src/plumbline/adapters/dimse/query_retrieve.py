"""An archive elsewhere, asked over DIMSE: C-FIND, and C-GET or C-MOVE of what is missing here (PS3.4 C).

Study Root, hierarchical, so that any archive understands it. A worker opens one association at a time to
an archive, and asks for whole studies or series where none of their instances is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.sop_class import (
    ComputedRadiographyImageStorage,  # type: ignore[attr-defined]
    CTImageStorage,  # type: ignore[attr-defined]
    DigitalXRayImageStorageForPresentation,  # type: ignore[attr-defined]
    EnhancedCTImageStorage,  # type: ignore[attr-defined]
    EnhancedMRImageStorage,  # type: ignore[attr-defined]
    MRImageStorage,  # type: ignore[attr-defined]
    SecondaryCaptureImageStorage,  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,  # type: ignore[attr-defined]
)

from plumbline.adapters.query_answers import (
    INSTANCE_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    matching_pattern,
    patient_ids,
    study_answer,
    with_series_answers,
)
from plumbline.errors import InvalidInput, Misconfigured, PlumblineError, Unavailable
from plumbline.exams.study import PatientIdentity, Study
from plumbline.pipeline.archive_ports import ArchiveInstance, ArchiveStudy
from plumbline.pipeline.ports import Spool
from plumbline.settings import DimseRemote

Answers = Iterator[tuple[Dataset, Dataset | None]]
_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_SOME_FAILED = (0xB000, 0xA702)
"""Sub-operations failed, some or all: what came is counted."""
_UNKNOWN_DESTINATION = 0xA801
_OUT_OF_RESOURCES = (0xA700, 0xA701, 0xFE00)
_REFUSED_STORE = 0xA700
_UIDS_IN_A_REQUEST = 100
_CONTEXTS = 128
"""Presentation contexts of an association at most (PS3.8 7.1.1.13)."""
TRANSFER_SYNTAXES = tuple(
    UID(f"1.2.840.10008.1.2{suffix}")
    for suffix in (".1", "", ".4.70", ".4.90", ".4.91", ".4.80", ".5", ".4.50", ".4.51", ".1.99")
)
"""Each proposed in a context of its own, so that an archive sends what it holds without decoding it.

Some archives take the first context that fits the SOP Class and fail where that needs decoding; they are
asked again with the compressed ones alone.
"""


_USUAL_CLASSES = {
    "CT": (CTImageStorage, EnhancedCTImageStorage, SecondaryCaptureImageStorage),
    "MR": (MRImageStorage, EnhancedMRImageStorage, SecondaryCaptureImageStorage),
    "CR": (ComputedRadiographyImageStorage,),
    "DX": (DigitalXRayImageStorageForPresentation, ComputedRadiographyImageStorage),
}
"""Some archives, DCMTK's among them, do not name the SOP Class of an instance."""
_OTHER_CLASSES = (SecondaryCaptureImageStorage, ComputedRadiographyImageStorage)


class DimseArchive:
    """``RemoteArchive`` over DIMSE.

    Parameters
    ----------
    spool
        Where what C-GET brings is put; what C-MOVE brings comes to the listener.
    """

    def __init__(self, settings: DimseRemote, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        self._one_at_a_time = Lock()

    @property
    def name(self) -> str:
        """See ``RemoteArchive.name``."""
        return self._settings.name

    @property
    def sender(self) -> str:
        """See ``RemoteArchive.sender``: the archive's own AE Title, under which a C-MOVE's instances come."""
        return self._settings.ae_title

    def studies_of(self, patient: PatientIdentity) -> tuple[ArchiveStudy, ...]:
        """See ``RemoteArchive.studies_of``."""
        found: dict[str, ArchiveStudy] = {}
        for identifier in patient_ids(patient, self._settings.issuer_of_patient_id):
            query = _query("STUDY", STUDY_KEYS, PatientID=matching_pattern(identifier))
            for answer in self._find(query):
                listed = study_answer(answer, self._settings.issuer_of_patient_id)
                if listed.study.patient.patient_id == identifier:
                    found[listed.study.study_instance_uid] = listed
        return tuple(found.values())

    def with_series(self, listed: ArchiveStudy) -> ArchiveStudy:
        """See ``RemoteArchive.with_series``."""
        uid = listed.study.study_instance_uid
        return with_series_answers(listed, self._find(_query("SERIES", SERIES_KEYS, StudyInstanceUID=uid)))

    def instances_of(self, study: Study) -> tuple[ArchiveInstance, ...]:
        """See ``RemoteArchive.instances_of``; the handle is the SOP Class UID."""
        queries = [
            _query(
                "IMAGE",
                INSTANCE_KEYS,
                StudyInstanceUID=study.study_instance_uid,
                SeriesInstanceUID=series.series_instance_uid,
            )
            for series in study.series
        ]
        answers = self._find(*queries)
        return tuple(
            ArchiveInstance(str(one.SOPInstanceUID), str(one.SeriesInstanceUID), str(one.get("SOPClassUID", "")))
            for one in answers
        )

    def retrieve(self, study: Study, wanted: Sequence[ArchiveInstance]) -> None:
        """See ``RemoteArchive.retrieve``."""
        if self._settings.retrieve == "move":
            self._move(study, wanted)
            return
        delivery = _Delivery(self._spool, self.sender)
        self._get(study, wanted, delivery, TRANSFER_SYNTAXES)
        if left := delivery.left_of(wanted):
            self._get(study, left, delivery, [each for each in TRANSFER_SYNTAXES if each.is_compressed])
        if left := delivery.left_of(wanted):
            raise Unavailable(f"it could not send {len(left)} of {len(wanted)} instances", where=self.name)

    def _find(self, *queries: Dataset) -> list[Dataset]:
        model = StudyRootQueryRetrieveInformationModelFind
        answers: list[Dataset] = []
        with self._association([build_context(model)]) as association:
            for query in queries:
                for status, answer in association.send_c_find(query, model):
                    self._judge(status)
                    if answer is not None:
                        answers.append(answer)
        return answers

    def _move(self, study: Study, wanted: Sequence[ArchiveInstance]) -> None:
        model, destination = StudyRootQueryRetrieveInformationModelMove, self._settings.move_destination
        with self._association([build_context(model)]) as association:
            failed = sum(
                self._carry_out(request, lambda one: association.send_c_move(one, destination, model))
                for request in retrieve_requests(study, wanted)
            )
        if failed:
            raise Unavailable(f"it could not send {failed} of {len(wanted)} instances", where=self.name)

    def _get(
        self, study: Study, wanted: Sequence[ArchiveInstance], delivery: _Delivery, syntaxes: Sequence[UID]
    ) -> None:
        """Ask once for the wanted instances; what an archive cannot send in these transfer syntaxes is left."""
        model = StudyRootQueryRetrieveInformationModelGet
        classes = storage_classes(study, wanted)
        storage = [build_context(uid, [syntax]) for syntax in syntaxes for uid in classes][: _CONTEXTS - 1]
        with self._association([build_context(model), *storage], delivery) as association:
            for request in retrieve_requests(study, wanted):
                self._carry_out(request, lambda one: association.send_c_get(one, model))
                if delivery.error is not None:
                    raise delivery.error

    def _carry_out(self, request: Dataset, ask: Callable[[Dataset], Answers]) -> int:
        """Retrieve what a request asks for and return how many sub-operations failed.

        Some archives refuse a request altogether because of one instance that they no longer have; its
        instances are then asked for one by one.
        """
        try:
            failed = 0
            for status, _ in ask(request):
                self._judge(status)
                if int(status.Status) not in _PENDING:
                    failed = int(status.get("NumberOfFailedSuboperations") or 0)
            return failed
        except InvalidInput:
            parts = list(_one_by_one(request))
            return sum(self._carry_out(part, ask) for part in parts) if len(parts) > 1 else 1

    @contextmanager
    def _association(
        self, contexts: list[PresentationContext], delivery: _Delivery | None = None
    ) -> Iterator[Association]:
        """One association, released at the end; storage classes among the contexts are ours to receive."""
        asked = self._settings
        entity = AE(asked.calling_ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = asked.timeout_s
        entity.connection_timeout = asked.timeout_s
        classes = {str(context.abstract_syntax) for context in contexts[1:]}
        with self._one_at_a_time:
            association = entity.associate(
                asked.host,
                asked.port,
                contexts=contexts,
                ae_title=asked.ae_title,
                ext_neg=[build_role(uid, scp_role=True) for uid in sorted(classes)],  # type: ignore[arg-type]
                evt_handlers=[(evt.EVT_C_STORE, delivery)] if delivery else [],  # type: ignore[list-item]
            )
            try:
                self._refuse_unless_usable(association)
                yield association
            finally:
                if association.is_established:
                    association.release()

    def _refuse_unless_usable(self, association: Association) -> None:
        if association.is_rejected:
            raise Misconfigured(
                "it does not accept our association",
                where=self.name,
                remedy="Register our AE Title there and check the called one",
            )
        if not association.is_established:
            raise Unavailable("it does not answer", where=self.name)
        if not association.accepted_contexts:
            raise Misconfigured("it does not offer this kind of query or retrieval", where=self.name)

    def _judge(self, status: Dataset) -> None:
        """The one table from a DIMSE status to what the caller should do."""
        if "Status" not in status:
            raise Unavailable("it broke the association off", where=self.name)
        code = int(status.Status)
        if code in (*_PENDING, *_SOME_FAILED, _SUCCESS):
            return
        if code == _UNKNOWN_DESTINATION:
            raise Misconfigured(
                "it does not know where to send", where=self.name, remedy="Register our listener's AE Title there"
            )
        if code in _OUT_OF_RESOURCES:
            raise Unavailable(f"it cannot for now (status {code:04X})", where=self.name)
        raise InvalidInput(f"it cannot do what was asked (status {code:04X})", where=self.name)


@dataclass
class _Delivery:
    """Puts what C-GET brings into the spool; an error there ends the retrieval."""

    spool: Spool
    sender: str
    error: PlumblineError | None = None
    came: set[str] = field(default_factory=set)

    def left_of(self, wanted: Sequence[ArchiveInstance]) -> list[ArchiveInstance]:
        """Those that have not come."""
        return [each for each in wanted if each.sop_instance_uid not in self.came]

    def __call__(self, event: Event) -> int:
        request = event.request
        try:
            self.spool.append(
                request.DataSet.getvalue(),  # type: ignore[union-attr]
                sop_class_uid=str(request.AffectedSOPClassUID),  # type: ignore[union-attr]
                sop_instance_uid=str(request.AffectedSOPInstanceUID),  # type: ignore[union-attr]
                transfer_syntax_uid=str(event.context.transfer_syntax),
                sender=self.sender,
            )
        except PlumblineError as error:
            self.error = error
            return _REFUSED_STORE
        self.came.add(str(request.AffectedSOPInstanceUID))  # type: ignore[union-attr]
        return _SUCCESS


def storage_classes(study: Study, wanted: Sequence[ArchiveInstance]) -> list[str]:
    """SOP Classes to be ready for: those that the archive named, and the usual ones where it named none."""
    named = {each.handle for each in wanted if each.handle}
    unnamed = {each.series_instance_uid for each in wanted if not each.handle}
    modalities = {series.modality for series in study.series if series.series_instance_uid in unnamed}
    return sorted(named | {uid for modality in modalities for uid in _USUAL_CLASSES.get(modality, _OTHER_CLASSES)})


def retrieve_requests(study: Study, wanted: Sequence[ArchiveInstance]) -> Iterator[Dataset]:
    """Identifiers that ask for the wanted instances, series by series, a limited number of UIDs in each."""
    by_series: dict[str, list[str]] = defaultdict(list)
    for each in wanted:
        by_series[each.series_instance_uid].append(each.sop_instance_uid)
    for series_uid, uids in by_series.items():
        for start in range(0, len(uids), _UIDS_IN_A_REQUEST):
            request = _query("IMAGE", ())
            request.StudyInstanceUID = study.study_instance_uid
            request.SeriesInstanceUID = series_uid
            request.SOPInstanceUID = uids[start : start + _UIDS_IN_A_REQUEST]
            yield request


def _one_by_one(request: Dataset) -> Iterator[Dataset]:
    uids = request.SOPInstanceUID
    for uid in [uids] if isinstance(uids, str) else list(uids):
        part = _query("IMAGE", (), StudyInstanceUID=request.StudyInstanceUID, SOPInstanceUID=uid)
        part.SeriesInstanceUID = request.SeriesInstanceUID
        yield part


def _query(level: str, keys: Iterable[str], **matched: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword in keys:
        setattr(query, keyword, [] if keyword.endswith("Sequence") else None)
    for keyword, value in matched.items():
        setattr(query, keyword, value)
    return query
