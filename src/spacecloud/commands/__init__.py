"""The commands of ``space-cloud`` beside the composition root."""
