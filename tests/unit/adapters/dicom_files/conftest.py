"""Small CT instances as scanners write them."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian


def ct_slice(number: int, *, rows: int = 6, columns: int = 8, **changes) -> Dataset:
    """Slice ``number`` at z = 2 x number mm; every stored value is 1000 + number."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"2.25.77{number}"
    ds.StudyInstanceUID = "2.25.1"
    ds.SeriesInstanceUID = "2.25.2"
    ds.Modality = "CT"
    ds.PatientID = "P1"
    ds.IssuerOfPatientID = "HOSPITAL"
    ds.PatientBirthDate = "19600102"
    ds.PatientSex = "F"
    ds.StudyDate, ds.StudyTime = "20260302", "081500.123"
    ds.StudyDescription = "CT lumbar spine"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [-10, -20, 2 * number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [0.5, 0.5]
    ds.SliceThickness = 2
    ds.ConvolutionKernel = ["Br64d", "3"]
    ds.Rows, ds.Columns = rows, columns
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.PixelData = np.full((rows, columns), 1000 + number, np.uint16).tobytes()
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.fixture
def ct_series() -> list[Dataset]:
    return [ct_slice(n) for n in (3, 1, 2)]
