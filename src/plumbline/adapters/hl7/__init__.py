"""HL7 v2: messages over MLLP, read into plain values, and their acknowledgements."""
