"""YAML text in, envelopes and every mistake with its line out."""
