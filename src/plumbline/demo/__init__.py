"""The demonstration: the real processes on loopback, a cohort of virtual patients, and a scored worklist."""
