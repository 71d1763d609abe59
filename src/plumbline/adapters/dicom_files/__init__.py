"""DICOM files on disk, read into exams and volumes."""
