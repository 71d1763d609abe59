"""The Orthanc archive behind the pipeline's archive port."""
