"""Modality Worklist files for Orthanc's plugin."""
