"""The HL7 v2 listener process."""
