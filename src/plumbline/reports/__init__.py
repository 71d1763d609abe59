"""Structured report, key object selection and evidence pictures as DICOM objects."""
