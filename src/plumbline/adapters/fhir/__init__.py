"""FHIR R4: orders and operations as resources, validated, and read into plain values."""
