"""The space-cli command: a thin skin over the client."""
