"""``/fhir``: orders and operations as FHIR R4 resources."""
