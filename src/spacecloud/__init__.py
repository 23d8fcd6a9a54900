"""Space Cloud: declared services are run, connected and policed."""
