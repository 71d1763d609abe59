"""DICOMweb clients."""
