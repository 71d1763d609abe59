"""Images of exams from folders of DICOM files, for the command line (port ``Images``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from plumbline.adapters.dicom_files.headers import study_from_headers
from plumbline.adapters.dicom_files.segmentation import find_label_maps
from plumbline.adapters.dicom_files.volumes import volume_from_datasets
from plumbline.errors import InvalidInput
from plumbline.exams.study import Study
from plumbline.imaging.label_maps import FoundLabelMaps
from plumbline.imaging.volume import Volume

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class StudyFolder:
    """One study found in a folder, and what in that folder could not be used.

    ``unreadable`` holds a sentence for each file that is not DICOM or breaks off.
    """

    study: Study
    headers: tuple[Dataset, ...]
    paths: dict[str, Path]
    unreadable: tuple[str, ...] = ()


def read_study_folder(folder: Path) -> StudyFolder:
    """Read the headers of all DICOM files below a folder.

    Raises
    ------
    InvalidInput
        When the folder is absent, holds no DICOM file, or files of more than one study.
    """
    if not folder.is_dir():
        raise InvalidInput("there is no such folder", where=str(folder))
    headers: dict[str, Dataset] = {}
    paths: dict[str, Path] = {}
    unreadable: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError, NotImplementedError):
            unreadable.append(f"{path.name} is not a DICOM file that can be read; it was left out.")
            continue
        uid = str(header.get("SOPInstanceUID", ""))
        lacking = [keyword for keyword in _NEEDED if not str(header.get(keyword) or "")]
        if lacking:
            unreadable.append(f"{path.name} has no value for {', '.join(lacking)}; it was left out.")
        elif uid in headers:
            unreadable.append(f"{path.name} repeats the SOP Instance UID of {paths[uid].name}; it was left out.")
        else:
            headers[uid], paths[uid] = header, path
    if not headers:
        first = f" ({len(unreadable)} other files; {unreadable[0]})" if unreadable else ""
        raise InvalidInput(f"there is no usable DICOM file here{first}", where=str(folder))
    try:
        study = study_from_headers(list(headers.values()))
    except InvalidInput as error:
        raise InvalidInput(error.what, where=str(folder), remedy=error.remedy) from error
    return StudyFolder(study, tuple(headers.values()), paths, tuple(unreadable))


@dataclass(frozen=True)
class FolderImages:
    """``Images`` on studies read from folders."""

    folders: dict[str, StudyFolder] = field(default_factory=dict)

    def study(self, study_instance_uid: str) -> Study:
        """See ``Images.study``."""
        return self.folders[study_instance_uid].study

    def headers(self, study_instance_uid: str, series_instance_uid: str | None = None) -> Sequence[Dataset]:
        """See ``Images.headers``."""
        return [
            header
            for header in self.folders[study_instance_uid].headers
            if series_instance_uid in (None, str(header.get("SeriesInstanceUID")))
        ]

    def volume(self, study_instance_uid: str, series_instance_uid: str) -> Volume:
        """See ``Images.volume``."""
        folder = self.folders[study_instance_uid]
        paths = [folder.paths[str(h.SOPInstanceUID)] for h in self.headers(study_instance_uid, series_instance_uid)]
        return volume_from_datasets(_read(path) for path in paths)

    def label_maps(self, study_instance_uid: str, series_instance_uid: str) -> FoundLabelMaps:
        """See ``Images.label_maps``."""
        folder = self.folders[study_instance_uid]
        return find_label_maps(
            folder.headers, series_instance_uid, lambda header: _read(folder.paths[str(header.SOPInstanceUID)])
        )


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except Exception as error:
        raise InvalidInput("the file breaks off or cannot be read", where=path.name) from error
