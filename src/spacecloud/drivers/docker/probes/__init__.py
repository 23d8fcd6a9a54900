"""Can a task take requests? Asked by its probe, and remembered."""
