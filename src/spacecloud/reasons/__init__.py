"""Causes as values: each kind of reason once, with its code, its sentence and its fix."""
