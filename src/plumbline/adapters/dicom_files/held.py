"""Images of exams from the bytes that the listener holds (port ``Images``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from plumbline.adapters.dicom_files.headers import study_from_headers
from plumbline.adapters.dicom_files.segmentation import find_label_maps
from plumbline.adapters.dicom_files.volumes import volume_from_datasets
from plumbline.errors import InvalidInput
from plumbline.exams.study import Study
from plumbline.imaging.label_maps import FoundLabelMaps
from plumbline.imaging.volume import Volume
from plumbline.pipeline.ports import InstanceIndex, Publications, ReceivedInstance, Spool

KEPT_STUDIES = 6
"""Studies whose headers a worker keeps at hand."""

_PREAMBLE = b"\0" * 128 + b"DICM"


def read_held(spool: Spool, instance: ReceivedInstance, *, with_pixels: bool) -> Dataset:
    """Dataset of a held instance, parsed under its own transfer syntax.

    Raises
    ------
    InvalidInput
        When the bytes are not a dataset of that transfer syntax.
    """
    try:
        return dcmread(BytesIO(_part10(spool.read(instance.location), instance)), stop_before_pixels=not with_pixels)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput("the dataset cannot be read", where=instance.sop_instance_uid) from error


def _part10(dataset: bytes, instance: ReceivedInstance) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(instance.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.TransferSyntaxUID = UID(instance.transfer_syntax_uid)
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return _PREAMBLE + buffer.getvalue() + dataset


class HeldImages:
    """``Images`` on the receive ledger and its spool; objects that this system made itself are left out."""

    def __init__(self, index: InstanceIndex, spool: Spool, publications: Publications) -> None:
        self._index = index
        self._spool = spool
        self._publications = publications
        self._headers: OrderedDict[tuple[str, int], list[Dataset]] = OrderedDict()

    def study(self, study_instance_uid: str) -> Study:
        """See ``Images.study``."""
        return study_from_headers(self.headers(study_instance_uid))

    def headers(self, study_instance_uid: str, series_instance_uid: str | None = None) -> Sequence[Dataset]:
        """See ``Images.headers``."""
        headers = self._study_headers(study_instance_uid)
        return [each for each in headers if series_instance_uid in (None, str(each.get("SeriesInstanceUID")))]

    def _study_headers(self, study_uid: str) -> list[Dataset]:
        """Headers of a study, kept for the steps that follow; more instances make another entry."""
        key = (study_uid, len(self._index.held(study_uid)))
        if key not in self._headers:
            self._headers[key] = list(self._read(study_uid, None, with_pixels=False))
            if len(self._headers) > KEPT_STUDIES:
                self._headers.popitem(last=False)
        return self._headers[key]

    def volume(self, study_instance_uid: str, series_instance_uid: str) -> Volume:
        """See ``Images.volume``."""
        return volume_from_datasets(self._read(study_instance_uid, series_instance_uid, with_pixels=True))

    def label_maps(self, study_instance_uid: str, series_instance_uid: str) -> FoundLabelMaps:
        """See ``Images.label_maps``."""
        held = {each.sop_instance_uid: each for each in self._index.held(study_instance_uid)}
        return find_label_maps(
            self._study_headers(study_instance_uid),
            series_instance_uid,
            lambda header: read_held(self._spool, held[str(header.SOPInstanceUID)], with_pixels=True),
        )

    def _read(self, study_uid: str, series_uid: str | None, *, with_pixels: bool) -> Iterator[Dataset]:
        own = self._publications.own_objects(study_uid)
        for instance in self._index.held(study_uid):
            if series_uid in (None, instance.series_instance_uid) and instance.sop_instance_uid not in own:
                yield read_held(self._spool, instance, with_pixels=with_pixels)
