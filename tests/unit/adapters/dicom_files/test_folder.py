"""Studies from folders: what is left out is said, what makes no exam is refused."""

from __future__ import annotations

import pytest

from plumbline.adapters.dicom_files.folder import FolderImages, read_study_folder
from plumbline.errors import InvalidInput

from .conftest import ct_slice


def write(folder, datasets):
    for ds in datasets:
        ds.save_as(folder / f"{ds.SOPInstanceUID}.dcm", enforce_file_format=True)


def test_a_folder_is_one_study_with_headers_and_a_volume(tmp_path, ct_series):
    write(tmp_path, ct_series)
    folder = read_study_folder(tmp_path)
    images = FolderImages({"2.25.1": folder})
    assert images.study("2.25.1") == folder.study
    assert images.volume("2.25.1", "2.25.2").shape == (3, 6, 8)
    assert len(images.headers("2.25.1", "2.25.2")) == 3
    assert len(images.headers("2.25.1", "2.25.404")) == 0


def test_other_files_are_left_out_and_said(tmp_path, ct_series):
    write(tmp_path, ct_series)
    (tmp_path / "notes.txt").write_text("not an image")
    nameless = ct_slice(9)
    nameless.SOPInstanceUID = ""
    nameless.file_meta.MediaStorageSOPInstanceUID = "2.25.9"
    nameless.save_as(tmp_path / "nameless.dcm", enforce_file_format=True)
    folder = read_study_folder(tmp_path)
    assert len(folder.headers) == 3
    assert any("notes.txt" in sentence for sentence in folder.unreadable)
    assert any("no value for SOPInstanceUID" in sentence for sentence in folder.unreadable)


def test_an_empty_or_absent_folder_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no usable DICOM file"):
        read_study_folder(tmp_path)
    with pytest.raises(InvalidInput, match="no such folder"):
        read_study_folder(tmp_path / "absent")


def test_two_studies_in_one_folder_are_refused(tmp_path):
    write(tmp_path, [ct_slice(1), ct_slice(2, StudyInstanceUID="2.25.9")])
    with pytest.raises(InvalidInput, match="2 studies"):
        read_study_folder(tmp_path)
