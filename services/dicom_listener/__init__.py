"""The DICOM listener process."""
