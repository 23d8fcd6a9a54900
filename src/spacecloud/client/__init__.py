"""The API as a program sees it: paths, envelopes, errors. Used by the CLI."""
