"""Results as signed JSON over HTTP."""
