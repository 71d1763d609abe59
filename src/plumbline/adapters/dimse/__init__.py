"""DICOM associations: receiving and sending."""
