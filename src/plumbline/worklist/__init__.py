"""The UPS workitem state machine. Pure."""
