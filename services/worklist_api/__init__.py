"""The worklist API process: UPS-RS, JSON and pages."""
