"""Volumes and radiographs: hardware, localisation, registration, drawing. numpy and SimpleITK only."""
